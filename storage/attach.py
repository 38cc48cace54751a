"""A DuckDB connection with the lake attached: extensions, catalogs, read-only guard, earlier snapshots."""

from contextlib import suppress

import duckdb

import sql
from storage.object_store import ATTEMPTS, open_store
from storage.settings import Settings

# After attaching: no file outside the lake, and no way back. The shell's safe mode does the same.
GUARD = ("SET enable_external_access = false", "SET lock_configuration = true")

_SECRET = (
    "CREATE SECRET lake_data (TYPE s3, KEY_ID {key_id}, SECRET {secret}, SESSION_TOKEN {session_token}, "
    "REGION {region}, ENDPOINT {endpoint}, URL_STYLE {url_style}, USE_SSL {use_ssl}, SCOPE {scope})"
)
_HIDDEN = {"key_id": "AWS_ACCESS_KEY_ID", "secret": "AWS_SECRET_ACCESS_KEY", "session_token": "AWS_SESSION_TOKEN"}


class LakeMissing(Exception):
    """There is no lake yet where the settings say."""


def connect(settings: Settings, *, read_only: bool, snapshot: int | None = None) -> duckdb.DuckDBPyConnection:
    """DuckDB with the lake attached and in use.

    Read-only connections can touch no file outside the lake and can't be unlocked again: a guard against
    accidents, not malice. Raises LakeMissing when a lake that doesn't exist is opened for reading, StoreFailed when
    its data lies on S3 and the bucket doesn't let us in.
    """
    if read_only and settings.catalog == "sqlite" and not settings.catalog_file.exists():
        raise LakeMissing(f"no lake at {settings.catalog_file}; `make nightly` makes one (NEUROLAKE_HOME says where)")
    connection = duckdb.connect(config={"threads": settings.threads})
    connection.execute("SET TimeZone = 'UTC'")
    for extension in _extensions(settings):
        _load(connection, extension)
    if settings.data_on_s3:
        _reach_s3(connection, settings)
    guard = GUARD if read_only else ()
    for statement in (*attach_statements(settings, read_only=read_only, snapshot=snapshot), *guard):
        try:
            connection.execute(statement)
        except duckdb.Error as error:
            if "creating a new DuckLake is explicitly disabled" in str(error):
                raise LakeMissing("the catalog of NEUROLAKE_CATALOG holds no lake; `make nightly` makes one") from None
            # DuckDB's own words hold the catalog's address, and a password with it.
            raise type(error)(str(error).replace(settings.catalog, "[NEUROLAKE_CATALOG]")) from None
    return connection


def attach_statements(settings: Settings, *, read_only: bool, snapshot: int | None = None) -> list[str]:
    """The SQL that attaches the lake, in the order that works, where its extensions are loaded."""
    sqlite = settings.catalog == "sqlite"
    catalog = f"sqlite:{settings.catalog_file}" if sqlite else f"postgres:{settings.catalog}"
    data = _literal(f"{settings.data_address}/")
    # Small inserts are kept in files too: with them inlined in the catalog, later options crash DuckDB 1.5.
    options = [f"DATA_PATH {data}", "DATA_INLINING_ROW_LIMIT 0"]
    options += ["OVERRIDE_DATA_PATH true"]  # the folder may have been moved or copied since it was made
    options += ["META_BUSY_TIMEOUT 60000"] if sqlite else []
    options += ["READ_ONLY"] if read_only else []
    options += [f"SNAPSHOT_VERSION {int(snapshot)}"] if snapshot is not None else []
    statements = [f"ATTACH {_literal(f'ducklake:{catalog}')} AS lake ({', '.join(options)})", "USE lake"]
    if read_only:
        statements += [f"SET allowed_directories = [{data}]"]
    return statements


def shell_statements(settings: Settings) -> tuple[list[str], dict[str, str]]:
    """The SQL by which `make sql` attaches the lake for reading, and the variables that the shell needs for it.

    Credentials of S3 stand in the variables alone.
    """
    statements = [f"LOAD {extension}" for extension in _extensions(settings)]
    variables: dict[str, str] = {}
    if settings.data_on_s3:
        secret = open_store(settings).secret
        variables = {variable: secret[name] for name, variable in _HIDDEN.items()}
        shown = {name: _literal(value) for name, value in secret.items()}
        hidden = {name: f"getenv('{variable}')" for name, variable in _HIDDEN.items()}
        statements += [*_s3_options(settings), _SECRET.format(**(shown | hidden))]
    return statements + attach_statements(settings, read_only=True), variables


def view_statements() -> list[str]:
    """The SQL that makes the views and macros of sql/ in a connection that has the lake attached."""
    views = [f"CREATE TEMP VIEW {name} AS {text.strip().removesuffix(';')}" for name, text in sql.views().items()]
    return [*views, *(text.strip().removesuffix(";") for text in sql.macros().values())]


def install_extensions(settings: Settings) -> None:
    """Put the DuckDB extensions where both the library and the shell find them."""
    with duckdb.connect() as connection:
        for extension in _extensions(settings):
            _load(connection, extension)


def _extensions(settings: Settings) -> list[str]:
    catalog = "sqlite_scanner" if settings.catalog == "sqlite" else "postgres_scanner"
    return ["ducklake", catalog, *(["httpfs"] if settings.data_on_s3 else [])]


def _reach_s3(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Tell the connection who it is on S3, for the lake's data alone, and how long it may wait."""
    store = open_store(settings)
    store.check()
    for statement in _s3_options(settings):
        connection.execute(statement)
    # Bound: an error tells the statement.
    connection.execute(_SECRET.format(**{name: f"${name}" for name in store.secret}), store.secret)


def _s3_options(settings: Settings) -> list[str]:
    return [
        f"SET http_timeout = {settings.s3_timeout_s}",
        f"SET http_retries = {ATTEMPTS - 1}",
        "SET http_retry_wait_ms = 200",
        "SET http_retry_backoff = 4",
    ]


def _load(connection: duckdb.DuckDBPyConnection, extension: str) -> None:
    with suppress(duckdb.Error):
        connection.execute(f"LOAD {extension}")
        return
    # The wheels of the lock bring the extensions, so that a machine without internet has them too.
    from duckdb_extensions import import_extension

    import_extension(extension.removesuffix("_scanner"))
    connection.execute(f"LOAD {extension}")


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
