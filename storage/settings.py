"""Where everything lives: one frozen settings class, read from NEUROLAKE_* variables; loading it touches no disk."""

import os
import re
from pathlib import Path
from typing import Literal
from zoneinfo import available_timezones

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_PREFIX = "NEUROLAKE_"
# Without what a glob or a pattern would take for its own, since DuckDB reads these addresses too.
_S3 = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_=-][A-Za-z0-9._=-]*)*")


class Settings(BaseSettings):
    """Settings of one installation, each a variable NEUROLAKE_<NAME>.

    Raises pydantic.ValidationError when a NEUROLAKE_ variable is unknown (a typing error would otherwise be passed
    over in silence) and when a path is relative (a worker starts in a folder of its own).
    """

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True)

    home: Path = Field(
        default_factory=lambda: Path.home() / "neurolake",
        description="folder that holds the lake, the model registry, reports and caches",
    )
    catalog: str = Field(
        default="sqlite",
        repr=False,  # it may hold a password
        description="'sqlite' for a catalog file beside the data, or a postgresql:// address",
        examples=["sqlite", "postgresql://lab@db.example.org/lake"],
    )
    data: str | None = Field(
        default=None,
        description="where the lake's Parquet files lie, a folder or s3://bucket/prefix; by default in home",
        examples=["/data/lake", "s3://lab/lake"],
    )
    s3_timeout_s: int = Field(
        default=30, ge=1, description="how long the S3 server may be silent before a request is made again, four times"
    )
    mlflow: str | None = Field(
        default=None,
        description="MLflow tracking address; by default SQLite in home",
        examples=["http://127.0.0.1:5000"],
    )
    sources: str | None = Field(
        default=None,
        description="what the scheduled night reads: a sources.yaml, folder, file or glob, absolute",
        examples=["/data/lab/sources.yaml"],
    )
    postgres: SecretStr | None = Field(
        default=None,
        description="postgresql:// address of the server behind `make up`; by default one of its own, in home",
    )
    host: str = Field(default="127.0.0.1", description="address that the servers of `make up` listen on")
    prefect_port: int = Field(default=4200, ge=1, le=65535, description="port of Prefect's page")
    mlflow_port: int = Field(default=5000, ge=1, le=65535, description="port of MLflow's page")
    time_zone: str = Field(default="UTC", description="the lab's time zone, for schedules", examples=["Europe/Paris"])
    runner: Literal["threads", "dask"] = Field(
        default="threads", description="who does the work of a flow's steps: this process, or a Dask cluster"
    )
    dask: str | None = Field(
        default=None,
        description="address of a Dask scheduler, for runner 'dask'; by default a cluster on this machine",
        examples=["tcp://10.0.0.5:8786"],
    )
    notify: SecretStr | None = Field(
        default=None,
        description="told of failed runs and refused recordings: an http(s) address, or block:<type>/<name> of Prefect",
    )
    threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, description="threads for DuckDB")
    lock_timeout_s: float = Field(default=600, gt=0, description="how long a writer waits for its turn")

    @field_validator("home")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        if not path.is_absolute():
            raise ValueError(f"must be an absolute path, got {str(path)!r}")
        return path

    @field_validator("data", mode="before")
    @classmethod
    def _folder_or_bucket(cls, data: object) -> object:
        if not isinstance(data, (str, Path)):
            return data
        address = str(data).rstrip("/")
        if not (_S3.fullmatch(address) or Path(address).is_absolute()):
            raise ValueError(f"must be an absolute path or s3://bucket/prefix, got {str(data)!r}")
        return address

    @field_validator("catalog")
    @classmethod
    def _known_catalog(cls, catalog: str) -> str:
        if catalog != "sqlite" and not catalog.startswith(("postgresql://", "postgres://")):
            raise ValueError(f"must be 'sqlite' or a postgresql:// address, got one that begins with {catalog[:8]!r}")
        return catalog

    @field_validator("time_zone")
    @classmethod
    def _known_time_zone(cls, time_zone: str) -> str:
        if time_zone not in available_timezones():
            raise ValueError(f"must be a name such as Europe/Paris, got {time_zone!r}")
        return time_zone

    @model_validator(mode="after")
    def _only_known_variables(self) -> "Settings":
        known = {_PREFIX + name.upper() for name in type(self).model_fields}
        if unknown := sorted(v for v in os.environ if v.startswith(_PREFIX) and v not in known):
            raise ValueError(f"unknown settings {unknown}; known are {sorted(known)}")
        return self

    @property
    def catalog_file(self) -> Path:
        return self.home / "lake" / "catalog.sqlite"

    @property
    def data_address(self) -> str:
        """Where the Parquet files lie: an absolute folder, or s3://bucket/prefix; without a slash at the end."""
        return str(self.data or self.home / "lake" / "data")

    @property
    def data_on_s3(self) -> bool:
        return self.data_address.startswith("s3://")

    @property
    def data_folder(self) -> Path:
        """The folder of the Parquet files. Raises ValueError when they lie on S3."""
        if self.data_on_s3:
            raise ValueError(f"the lake's data is no folder of this machine: NEUROLAKE_DATA is {self.data_address}")
        return Path(self.data_address)

    @property
    def write_lock_file(self) -> Path:
        return self.home / "lake" / "write.lock"

    @property
    def cache_folder(self) -> Path:
        return self.home / "cache"

    @property
    def reports_folder(self) -> Path:
        return self.home / "reports"

    @property
    def mlflow_folder(self) -> Path:
        return self.home / "mlflow"

    @property
    def postgres_folder(self) -> Path:
        return self.home / "postgres"

    @property
    def services_folder(self) -> Path:
        return self.home / "services"

    @property
    def mlflow_address(self) -> str:
        return self.mlflow or f"sqlite:///{self.mlflow_folder / 'mlflow.sqlite'}"
