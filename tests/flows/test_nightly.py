"""A night as a person runs it: real files in, a real Prefect run, findings, model and report out."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from models.simulate import ChangeDetectionPlan
from samples.write_sessions import write_sessions
from storage.attach import LakeMissing
from storage.check import run_checks
from storage.lake import Lake, open_lake
from storage.registry import Registry
from storage.settings import Settings

pytestmark = pytest.mark.xdist_group("nights")

PLAN = ChangeDetectionPlan(n_vip_mice=2, n_sst_mice=2, cells_per_mouse=4, duration_s=120)
MODEL = "omitted-or-presented-lab-rigorous"


@dataclass(frozen=True)
class Lab:
    """A folder of recordings and a home of its own."""

    recordings: Path
    home: Path

    @property
    def settings(self) -> Settings:
        return Settings(home=self.home, threads=1)

    @property
    def lake(self) -> Lake:
        return open_lake(self.settings, read_only=True)

    def start_night(self, *flags: str) -> subprocess.Popen:
        return self._start(*flags, "-m", "flows.watch", "--sources", str(self.recordings))

    def _start(self, *arguments: str) -> subprocess.Popen:
        command = [sys.executable, *arguments]
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("NEUROLAKE_", "PREFECT_"))}
        environment |= {"NEUROLAKE_HOME": str(self.home), "NEUROLAKE_THREADS": "1", "COLUMNS": "200"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, env=environment, start_new_session=True, **pipes)

    def night(self, *flags: str) -> tuple[int, str, str]:
        with self.start_night(*flags) as running:
            out, err = running.communicate(timeout=400)
        return running.returncode, out, err

    def run(self, module: str, *arguments: str) -> tuple[int, str, str]:
        with self._start("-m", module, *arguments) as running:
            out, err = running.communicate(timeout=400)
        return running.returncode, out, err


def new_lab(folder: Path) -> Lab:
    recordings = folder / "lab"
    write_sessions(PLAN, recordings)
    return Lab(recordings, folder / "home")


@pytest.fixture(scope="module")
def lab_after_a_night(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lab, str]:
    lab = new_lab(tmp_path_factory.mktemp("night"))
    whole = next(lab.recordings.glob("*.nwb")).read_bytes()
    (lab.recordings / "truncated.nwb").write_bytes(whole[: len(whole) // 2])
    (lab.recordings / "empty.nwb").write_bytes(b"")
    (lab.recordings / "notes.txt").write_text("the microscope was cleaned")
    status, out, err = lab.night()
    assert status == 0, err
    return lab, out


def test_every_good_session_is_in_and_each_bad_file_is_named(lab_after_a_night: tuple[Lab, str]) -> None:
    lab, out = lab_after_a_night
    assert "8 sessions in, 2 rejected" in out
    assert "truncated.nwb" in out
    assert "1 files of other kinds passed over" in out
    with lab.lake as lake:
        assert lake.query("SELECT count(*) FROM recorded.sessions WHERE simulated").item() == 8
        rejected = lake.query("SELECT source_uri, expected FROM recorded.rejected ORDER BY source_uri")
        assert [Path(uri).name for uri in rejected["source_uri"]] == ["empty.nwb", "truncated.nwb"]


def test_no_check_finds_a_row(lab_after_a_night: tuple[Lab, str]) -> None:
    lab, _ = lab_after_a_night
    with lab.lake as lake:
        assert [result.name for result in run_checks(lake) if len(result.offending)] == []


def test_the_study_names_the_snapshot_from_which_its_features_can_be_read_again(
    lab_after_a_night: tuple[Lab, str],
) -> None:
    lab, _ = lab_after_a_night
    with lab.lake as lake:
        study = lake.query("SELECT * FROM findings.studies WHERE kind = 'omission'").row(0, named=True)
        now = lake.query("FROM derived.response_features ORDER BY ALL")
    with open_lake(lab.settings, snapshot=study["snapshot_id"]) as then:
        assert then.query("FROM derived.response_features ORDER BY ALL").equals(now)
        assert then.query("SELECT count(*) FROM findings.decoder_scores").item() == 0
    assert study["flow_run_id"]
    assert study["protocol"] == "rigorous"


def test_the_first_decoder_is_champion_and_challenger(lab_after_a_night: tuple[Lab, str]) -> None:
    lab, _ = lab_after_a_night
    registry = Registry(lab.settings)
    champion = registry.champion(MODEL)
    assert champion is not None
    assert champion.version == 1
    with lab.lake as lake:
        promotion = lake.query("FROM findings.promotions").row(0, named=True)
    assert (promotion["mlflow_run_id"], promotion["promoted"]) == (champion.run_id, True)


def test_the_report_stands_alone(lab_after_a_night: tuple[Lab, str]) -> None:
    lab, out = lab_after_a_night
    report = next(lab.settings.reports_folder.glob("*.html"))
    assert str(report) in out
    page = report.read_text()
    assert "no animal was recorded" in page
    assert page.count("data:image/png;base64,") == 37
    assert "truncated.nwb" in page


def test_a_night_with_nothing_new_changes_nothing_and_never_imports_prefect(lab_after_a_night: tuple[Lab, str]) -> None:
    lab, _ = lab_after_a_night
    with lab.lake as lake:
        before = lake.snapshot_id
    status, out, err = lab.night("-X", "importtime")
    assert status == 0
    assert "nothing new: 10 files, all known" in out
    assert "polars" in err  # the list of imports is there
    assert not [line for line in err.splitlines() if line.split("|")[-1].strip().split(".")[0] in ("prefect", "mlflow")]
    with lab.lake as lake:
        assert lake.snapshot_id == before
    assert Registry(lab.settings).version_of_study(MODEL, "none") is None
    assert len(Registry(lab.settings)._client.search_model_versions(f"name = '{MODEL}'")) == 1


ONE_LINE = ("--cre-line", "Sst-IRES-Cre", "--window", "-0.5", "1.5", "--samples", "60")


def test_a_study_of_one_line_has_a_window_of_its_own(lab_after_a_night: tuple[Lab, str]) -> None:
    lab, _ = lab_after_a_night
    status, out, err = lab.run("flows.omission", *ONE_LINE)
    assert status == 0, err
    assert "SST cells, omitted minus presented" in out
    assert "VIP" not in out
    with lab.lake as lake:
        study = lake.query("FROM findings.studies WHERE kind = 'omission' ORDER BY finished_at DESC LIMIT 1")
        lines = lake.query(
            "SELECT DISTINCT cre_line FROM findings.contrasts WHERE study_id = $study", study=study["study_id"].item()
        )
        assert lines["cre_line"].to_list() == ["Sst-IRES-Cre"]
        times_s = lake.query(
            "SELECT DISTINCT time_s FROM derived.mean_responses WHERE list_contains($studies, study_id) ORDER BY 1",
            studies=json.loads(study["inputs"].item()),
        )["time_s"]
        assert (len(times_s), times_s.min(), times_s.max()) == (60, -0.5, 1.5)
        # Tuning leaves a mouse out of the one that is left to learn from: said, not passed over.
        assert "got 1" in study["notes"].item()


def test_what_the_lake_has_not_is_refused_by_name(lab_after_a_night: tuple[Lab, str]) -> None:
    lab, _ = lab_after_a_night
    status, out, _ = lab.run("flows.omission", "--cre-line", "Pvalb-IRES-Cre")
    assert (status, out) == (
        2,
        "project 'lab' has no cre_line 'Pvalb-IRES-Cre'; it has Sst-IRES-Cre, Vip-IRES-Cre\n",
    )
    status, out, _ = lab.run("flows.omission", "--project", "other")
    assert (status, out) == (2, "the lake has no project 'other'; it has lab\n")
    status, out, _ = lab.run("flows.omission", "--samples", "12")
    assert (status, out) == (2, "samples every 0.273 s are too far apart for the features: at most 0.1 s\n")


def test_changed_bytes_replace_the_session_and_what_was_derived_from_it(
    lab_after_a_night: tuple[Lab, str], tmp_path: Path
) -> None:
    """The last test of this lab, which it changes."""
    lab, _ = lab_after_a_night
    changed = min(lab.recordings.glob("9*.nwb"))
    with lab.lake as lake:
        before = lake.query("FROM recorded.sessions WHERE source_uri = $uri", uri=str(changed)).row(0, named=True)
        old_studies = set(lake.query("SELECT study_id FROM findings.promotions")["study_id"])
    other = tmp_path / "other"
    write_sessions(ChangeDetectionPlan(n_vip_mice=2, n_sst_mice=2, cells_per_mouse=4, duration_s=120, seed=5), other)
    changed.write_bytes((other / changed.name).read_bytes())
    status, out, err = lab.night()
    assert status == 0, err
    assert "1 session in" in out
    with lab.lake as lake:
        after = lake.query("FROM recorded.sessions WHERE source_uri = $uri", uri=str(changed)).row(0, named=True)
        assert after["session_id"] == before["session_id"]
        assert after["content_sha256"] != before["content_sha256"]
        assert lake.query("SELECT count(*) FROM recorded.sessions").item() == 8
        per_session = lake.query(
            "SELECT session_id, count(DISTINCT study_id) AS n FROM derived.response_features GROUP BY 1"
        )
        assert len(per_session) == 8
        assert dict(per_session.iter_rows())[after["session_id"]] == 1
        promotions = lake.query("FROM findings.promotions ORDER BY model_version").to_dicts()
        assert {row["study_id"] for row in promotions} > old_studies
        assert promotions[1]["champion_version"] == 1
        assert promotions[1]["promoted"] == (promotions[1]["accuracy"] > promotions[1]["champion_accuracy"])
        assert [result.name for result in run_checks(lake) if len(result.offending)] == []


def test_the_night_after_a_killed_one_finishes_its_work(tmp_path: Path) -> None:
    lab = new_lab(tmp_path)
    running = lab.start_night()
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and running.poll() is None:
        with suppress(LakeMissing):
            if _session_count(lab) >= 3:
                break
        time.sleep(0.1)
    os.killpg(running.pid, signal.SIGKILL)  # the night and the Prefect server that it started
    running.communicate()
    in_lake = _session_count(lab)
    assert 3 <= in_lake <= 8
    status, _, err = lab.night()
    assert status == 0, err
    assert _session_count(lab) == 8
    with lab.lake as lake:
        assert lake.query("SELECT count(*) FROM findings.studies WHERE kind = 'responses'").item() == 8
        assert lake.query("SELECT count(*) FROM findings.studies WHERE kind = 'omission'").item() == 1
        assert [result.name for result in run_checks(lake) if len(result.offending)] == []


def _session_count(lab: Lab) -> int:
    with lab.lake as lake:
        return lake.query("SELECT count(*) FROM recorded.sessions").item()
