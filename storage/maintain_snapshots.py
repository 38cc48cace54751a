"""Expiry of old snapshots: which ones studies and models name, which may go, and why the others stay."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from storage.lake import open_lake
from storage.maintain import lake_to_maintain
from storage.settings import Settings
from storage.turns import WHOLE_LAKE, turn

Reason = Literal["newest", "named by a study", "named by a model", "young", "first"]


class ModelsElsewhere(Exception):
    """The registry of the settings has none of the models that the lake says were registered."""


@dataclass(frozen=True)
class Expiry:
    """Snapshots that went; those that stay, each with the reason; and those that are named but were gone before."""

    expired: tuple[int, ...]
    kept: Mapping[int, Reason]
    missing: tuple[int, ...]

    def kept_for(self, reason: Reason) -> tuple[int, ...]:
        """The snapshots that stay for that reason, in order."""
        return tuple(sorted(snapshot for snapshot, why in self.kept.items() if why == reason))

    @property
    def counts(self) -> Mapping[Reason, int]:
        """How many stay for each reason."""
        return Counter(self.kept.values())


def expire_snapshots(settings: Settings, *, keep: timedelta, dry_run: bool = False) -> Expiry:
    """Expire every snapshot that nothing needs, and say why the others stay.

    What stays: the newest; what was the newest at any moment within ``keep``, as a study that began then reads it and
    may name it yet; whatever a study or a registered model names; and the first, as its time is the age of the lake.
    Raises ModelsElsewhere, and what the registry raises when it can't be asked: then none goes.
    """
    of_models = snapshots_of_models(settings)
    with lake_to_maintain(settings) as connection, turn(settings, [WHOLE_LAKE]):
        ask = connection.execute
        snapshots = ask("SELECT snapshot_id, snapshot_time FROM ducklake_snapshots('lake')").fetchall()
        of_studies = {row for (row,) in ask("SELECT DISTINCT snapshot_id FROM findings.studies").fetchall()}
        kept = snapshots_to_keep(snapshots, of_studies, of_models, datetime.now(UTC) - keep)
        expired = sorted({snapshot for snapshot, _ in snapshots} - kept.keys())
        if expired and not dry_run:
            ask("CALL ducklake_expire_snapshots('lake', versions => ?)", [expired]).fetchall()
    return Expiry(tuple(expired), kept, tuple(sorted((of_studies | of_models) - {number for number, _ in snapshots})))


def snapshots_to_keep(
    snapshots: Sequence[tuple[int, datetime]], of_studies: set[int], of_models: set[int], since: datetime
) -> dict[int, Reason]:
    """The snapshots that stay, each with a reason, of all (id, time of commit) that there are."""
    ordered = sorted(snapshots)
    kept: dict[int, Reason] = {}
    for place, (number, _) in enumerate(ordered):
        replaced_at = ordered[place + 1][1] if place + 1 < len(ordered) else None
        if replaced_at is None:
            kept[number] = "newest"
        elif number in of_studies:
            kept[number] = "named by a study"
        elif number in of_models:
            kept[number] = "named by a model"
        elif replaced_at > since:
            kept[number] = "young"
        elif place == 0:
            kept[number] = "first"
    return kept


def snapshots_of_models(settings: Settings) -> set[int]:
    """Snapshots that the training runs of registered models name.

    Raises ModelsElsewhere when the lake tells of models and the registry has none of them: another registry holds
    them, and what they name isn't known.
    """
    with open_lake(settings, read_only=True) as lake:
        promoted = set(lake.query("SELECT DISTINCT mlflow_run_id FROM findings.promotions")["mlflow_run_id"])
    snapshot_of_run = _snapshot_of_run(settings)
    if promoted and not promoted & snapshot_of_run.keys():
        raise ModelsElsewhere(
            f"the lake tells of {len(promoted)} registered models, and the registry here has none of them: "
            "set NEUROLAKE_MLFLOW to the one that has (of `make up`: http://127.0.0.1:5000); no snapshot was expired"
        )
    return {snapshot for snapshot in snapshot_of_run.values() if snapshot is not None}


def _snapshot_of_run(settings: Settings) -> dict[str, int | None]:
    """The snapshot that each training run behind a registered model names; None where it names none."""
    if settings.mlflow is None and not (settings.mlflow_folder / "mlflow.sqlite").exists():
        return {}
    from storage.registry import Registry  # takes seconds

    Registry(settings)  # migrates a database of an earlier version, one process at a time
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(settings.mlflow_address)
    found: dict[str, int | None] = {}
    token = None
    while True:
        versions = client.search_model_versions(max_results=1000, page_token=token)
        for run_id in {version.run_id for version in versions if version.run_id}:
            try:
                named = client.get_run(run_id).data.tags.get("lake_snapshot")
            except MlflowException as error:
                # A run that was deleted for good; whatever else goes wrong is not to be passed over.
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                named = None
            found[run_id] = None if named is None else int(named)
        if not (token := versions.token):
            return found
