"""A local S3 server with a bucket laid out as visual-behavior-ophys-data, its NWB files written by the AllenSDK.

The metadata tables are the real ones (of the cells' only those of planted experiments): the AllenSDK's package holds a
copy for its own tests. The manifest names a file for each experiment; only a few of these are there.
"""

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from unittest import mock

import allensdk
import boto3
import pandas as pd
from breaking_proxy import BreakingProxy
from moto.server import ThreadedMotoServer
from planted_visual_behavior import PlantedExperiment, write_experiment

BUCKET, PROJECT = "visual-behavior-ophys-data", "visual-behavior-ophys"
ADDRESS = f"https://{BUCKET}.s3.us-west-2.amazonaws.com/{PROJECT}"
TABLES = Path(allensdk.__file__).parent / "test/brain_observatory/behavior/behavior_project_cache/test_data/vbo"
# Sst while it did the task on four planes, Vip that watched, Slc17a7 on one plane.
PLANTED_IDS = (951980471, 796108483, 775614751)


@dataclass
class Bucket:
    """The served bucket: the planted files by experiment, their bytes, and the proxy before the server."""

    proxy: BreakingProxy
    files: dict[int, Path]
    client: object

    def file_name(self, experiment: int) -> str:
        return f"behavior_ophys_experiment_{experiment}.nwb"


@contextlib.contextmanager
def serve_bucket(folder: Path) -> Iterator[Bucket]:
    """Plant, upload and serve two releases, which share all files but one table."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"AWS_ACCESS_KEY_ID": "planted", "AWS_SECRET_ACCESS_KEY": "planted"}
    try:
        with mock.patch.dict(os.environ, keys), BreakingProxy(f"http://{host}:{port}") as proxy:
            client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-west-2")
            yield Bucket(proxy, _fill(client, folder), client)
    finally:
        server.stop()


def _fill(client, folder: Path) -> dict[int, Path]:
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    tables = {file.stem: pd.read_csv(file, dtype=str) for file in TABLES.glob("*.csv")}
    cells, experiments = tables["ophys_cells_table"], tables["ophys_experiment_table"]
    # Of 133,136 rows, which would be most of the time of each search.
    tables["ophys_cells_table"] = cells[cells["ophys_experiment_id"].isin([str(number) for number in PLANTED_IDS])]
    experiments["file_id"] = [str(1_085_400_000 + at) for at in range(len(experiments))]
    data_files, planted = {}, {}
    for row in experiments.to_dict("records"):
        number = int(row["ophys_experiment_id"])
        key = f"behavior_ophys_experiments/behavior_ophys_experiment_{number}.nwb"
        if number in PLANTED_IDS:
            planted[number] = folder / Path(key).name
            write_experiment(planted_as(row), planted[number])
            data_files[row["file_id"]] = _put(client, key, planted[number].read_bytes())
        else:
            data_files[row["file_id"]] = {"url": f"{ADDRESS}/{key}", "version_id": "gone", "file_hash": "0" * 128}
    for release in ("1.0.1", "1.1.0"):
        metadata = {name: _put(client, f"project_metadata/{name}.csv", _csv(table)) for name, table in tables.items()}
        manifest = {
            "project_name": PROJECT,
            "manifest_version": release,
            "data_pipeline": [{"name": "AllenSDK", "version": "2.16.2", "comment": "AllenSDK version used"}],
            "metadata_file_id_column_name": "file_id",
            "metadata_files": metadata,
            "data_files": data_files,
        }
        _put(client, f"manifests/{PROJECT}_project_manifest_v{release}.json", json.dumps(manifest).encode())
        tables["behavior_session_table"] = tables["behavior_session_table"].iloc[:-1]
    return planted


def planted_as(row: dict) -> PlantedExperiment:
    """A small experiment with the ids and the description that a row of the real table has."""
    group = row["imaging_plane_group"]
    return PlantedExperiment(
        cells=4,
        minutes=0.8,
        seed=int(row["ophys_experiment_id"]),
        ophys_experiment_id=int(row["ophys_experiment_id"]),
        ophys_session_id=int(row["ophys_session_id"]),
        behavior_session_id=int(row["behavior_session_id"]),
        ophys_container_id=int(row["ophys_container_id"]),
        mouse_id=row["mouse_id"],
        sex=row["sex"],
        age_in_days=int(row["age_in_days"]),
        full_genotype=row["full_genotype"],
        driver_line=(row["cre_line"],),
        reporter_line=row["reporter_line"],
        session_type=row["session_type"],
        project_code=row["project_code"],
        targeted_structure=row["targeted_structure"],
        imaging_depth=int(row["imaging_depth"]),
        equipment_name=row["equipment_name"],
        imaging_plane_group=None if pd.isna(group) else int(float(group)),
        acquired=datetime.fromisoformat(row["date_of_acquisition"] + "+00:00"),
    )


def _csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False).encode()


def _put(client, key: str, content: bytes) -> dict[str, str]:
    # Public, as the real ones: the SDK's client signs nothing.
    answer = client.put_object(Bucket=BUCKET, Key=f"{PROJECT}/{key}", Body=content, ACL="public-read")
    version = answer["VersionId"]
    return {"url": f"{ADDRESS}/{key}", "version_id": version, "file_hash": hashlib.blake2b(content).hexdigest()}
