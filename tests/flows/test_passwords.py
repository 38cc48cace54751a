"""The platform where others can reach it: every server asks for a password, and no password is to be seen anywhere."""

import base64
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from samples.write_sessions import write_sessions
from storage.lake import open_lake
from storage.settings import Settings
from tests.flows.named_postgres import named_postgres
from tests.flows.running_platform import command, completed_run, everything, run_deployment
from tests.flows.test_up import PLAN

pytestmark = [pytest.mark.xdist_group("nights"), pytest.mark.platform]

PASSWORDS = {"prefect": "prefect-5ecret!", "mlflow": "mlflow-5ecret!%", "postgres": "postgres/5ecret@%"}


def status_of(page: str, login: str | None = None) -> int:
    headers = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"} if login else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(page, headers=headers), timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_a_night_behind_passwords_on_the_postgres_of_the_lab(tmp_path_factory: pytest.TempPathFactory) -> None:
    pytest.importorskip("flask_wtf")
    folder = tmp_path_factory.mktemp("up")
    recordings, home = folder / "lab", folder / "home"
    write_sessions(PLAN, recordings)
    with named_postgres("lab", PASSWORDS["postgres"]) as address:
        lake = f"{address.rpartition('/')[0]}/lake"
        given = {
            "NEUROLAKE_HOST": "0.0.0.0",
            "NEUROLAKE_POSTGRES": address,
            "NEUROLAKE_CATALOG": lake,
            "PREFECT_SERVER_API_AUTH_STRING": f"lab:{PASSWORDS['prefect']}",
            "PREFECT_API_AUTH_STRING": f"lab:{PASSWORDS['prefect']}",
            "MLFLOW_TRACKING_USERNAME": "lab",
            "MLFLOW_TRACKING_PASSWORD": PASSWORDS["mlflow"],
        }
        with everything(home, recordings, **given) as environment:
            prefect = f"http://127.0.0.1:{environment['NEUROLAKE_PREFECT_PORT']}/api/admin/version"
            mlflow = f"http://127.0.0.1:{environment['NEUROLAKE_MLFLOW_PORT']}/api/2.0/mlflow/experiments/get"
            for page, login in (
                (prefect, given["PREFECT_API_AUTH_STRING"]),
                (f"{mlflow}?experiment_id=0", "lab:" + PASSWORDS["mlflow"]),
            ):
                assert status_of(page) == 401
                assert status_of(page, "lab:another-password") == 401
                assert status_of(page, login) == 200

            completed_run(environment, run_deployment(environment, "nightly/nightly")["id"])
            assert command(environment, "flows.status").returncode == 0
            with open_lake(Settings(home=home, catalog=lake), read_only=True) as opened:
                assert opened.query("SELECT count(*) FROM recorded.sessions").item() == 8
                assert opened.query("SELECT count(*) FROM findings.promotions").item() == 1

            shown = list(_command_lines())
            assert any("mlflow" in line for line in shown)
            written = [file.read_text(errors="replace") for file in (home / "services").rglob("*") if file.is_file()]
            assert not [text for text in (*shown, *written) for secret in PASSWORDS.values() if secret in text]
        assert not (home / "postgres").exists()


def _command_lines() -> Iterator[str]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            yield " ".join(process.cmdline())
