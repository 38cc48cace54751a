"""All measured recordings at hand go in by one sources file, with the counts that their README gives."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.check import run_checks
from storage.due import new_files
from storage.lake import Lake, open_lake
from storage.settings import Settings
from storage.sources import load_sources
from tasks.ingest import Ingested, ingest_file

SOURCES = Path(__file__).resolve().parents[1] / "real_recordings.yaml"
RECORDINGS = SOURCES.parents[2] / "shared" / "recordings"

pytestmark = pytest.mark.skipif(not RECORDINGS.exists(), reason="the measured recordings are not at hand")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lake, list[Ingested]]]:
    with pytest.MonkeyPatch.context() as patch, open_lake(Settings(home=tmp_path_factory.mktemp("real"))) as lake:
        patch.setenv("NEUROLAKE_HOME", str(lake.settings.home))
        search = new_files(lake, load_sources(SOURCES))
        assert search.missing == ()
        yield lake, [ingest_file.fn(file) for file in search.new]


@pytest.fixture
def lake(outcomes: tuple[Lake, list[Ingested]]) -> Lake:
    return outcomes[0]


def test_every_recording_goes_in(outcomes: tuple[Lake, list[Ingested]]):
    lake, read = outcomes
    assert [one for one in read if one.refusal] == []
    assert len(read) == 33
    assert lake.query("FROM recorded.rejected").is_empty()


def test_no_check_finds_a_row(lake: Lake):
    assert [result.name for result in run_checks(lake) if len(result.offending)] == []


def test_a_second_look_finds_nothing_new(lake: Lake):
    search = new_files(lake, load_sources(SOURCES))
    assert (search.new, search.known_count) == ((), 33)


@pytest.mark.parametrize(
    ("project", "units", "frames"),
    [
        ("suite2p", 20, 2_000), ("maze", 10, 10_000), ("tectum", 352, 439), ("odor", 49, 8_520), ("treadmill", 79, 420),
        ("visual_coding", 74, 6_001), ("nwb", 3, None), ("macaque", 50, None), ("gratings", 1_000, None),
        ("scenes", 0, None), ("change_detection", 0, None), ("caiman", 58, 3_000),
    ],
)  # fmt: skip
def test_units_and_frames_are_as_many_as_they_say(lake: Lake, project: str, units: int, frames: int | None):
    found = lake.query(
        "SELECT unit_count, frame_count FROM recorded.sessions WHERE project = $project", project=project
    )
    assert found.rows() == [(units, frames)]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("SELECT unit_filter FROM recorded.sessions WHERE project = 'suite2p'", "20 of 219 ROIs: iscell"),
        ("SELECT count(*) FROM recorded.spikes WHERE session_id LIKE 'nwb-%'", 21_354),
        ("SELECT count(*) FROM recorded.spikes WHERE session_id LIKE 'probe-%'", 10_000 - 517),
        ("SELECT count(*) FROM recorded.images WHERE session_id LIKE 'macaque-%'", 640),
        ("SELECT count(*) FROM recorded.images WHERE session_id LIKE 'scenes-%' AND height_px = 31", 118),
        ("SELECT count(*) FROM recorded.trials WHERE session_id LIKE 'odor-%'", 120),
        ("SELECT count(*) FROM recorded.events WHERE session_id LIKE 'gratings-%'", 200),
        ("SELECT count(*) FROM derived.response_features", 640),
        ("SELECT count(DISTINCT source_uri) FROM recorded.sessions WHERE project = 'ground_truth'", 8 + 11),
    ],
)
def test_the_rest_is_as_many_as_they_say(lake: Lake, question: str, answer: int | str):
    assert lake.query(question).item() == answer


def test_each_macaque_image_was_shown_six_to_ten_times(lake: Lake):
    repeats = lake.query(
        """SELECT count(*) AS repeat_count FROM recorded.events WHERE session_id LIKE 'macaque-%'
        GROUP BY image_name"""
    )["repeat_count"]
    assert (len(repeats), repeats.min(), repeats.max()) == (640, 6, 10)
    counts = lake.query("SELECT count(*) FROM derived.spike_counts WHERE session_id LIKE 'macaque-%'").item()
    assert counts == 50 * repeats.sum()


def test_the_trials_of_change_detection_have_their_outcomes(lake: Lake):
    outcomes = lake.query(
        "SELECT outcome, count(*) AS n FROM recorded.trials WHERE session_id LIKE 'change_detection-%' GROUP BY outcome"
    )
    assert dict(outcomes.rows()) == {
        "hit": 80, "miss": 250, "false_alarm": 1, "correct_reject": 47, "aborted": 85, "auto_rewarded": 5,
    }  # fmt: skip


def test_the_fish_saw_its_stimuli_at_the_frames_that_are_known(lake: Lake):
    shown = lake.query(
        """SELECT e.name, f.frame FROM recorded.events AS e JOIN recorded.frames AS f
        ON f.session_id = e.session_id AND f.time_s = e.onset_s WHERE e.session_id LIKE 'tectum-%' ORDER BY f.frame"""
    )
    assert shown.rows() == [
        *(("prey", frame) for frame in (46, 80, 115, 150, 184, 219)),
        *(("looming", frame) for frame in (252, 286, 319)),
        *(("dimming", frame) for frame in (353, 386, 420)),
    ]
