"""Two thousand damaged copies of recordings: each goes in whole or is refused with a reason, and none ends a night.

Five hundred of them in `make test`, the others in `make platformtest`. Mutated are real recordings where they are at
hand, and files that the tests write where they are not.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from models.simulate import ChangeDetectionPlan
from samples.write_sessions import write_sessions
from storage.check import run_checks
from storage.due import NewFile
from storage.lake import open_lake
from storage.readers.choose import parts_of, reader_for
from tasks import isolation
from tasks.ingest import Ingested, ingest_file

REPOSITORY = Path(__file__).resolve().parents[2]
REAL = REPOSITORY.parent / "shared" / "recordings"
FILES = REPOSITORY / "tests" / "storage" / "readers" / "files"
SHARDS, EXAMPLES = 4, 500

# Real recordings by name: the file or folder, small ones of each format.
_REAL = {
    "nwb units": "nwb/A8604-211122.nwb",
    "suite2p": "suite2p",
    "caiman npz": "caiman/example.npz",
    "phy": "neuropixels_phy",
    "minian": "miniscope_maze/regression_1d",
    "ground truth mat": "spike_inference/ground_truth/DS06-GCaMP6f-zf-aDp/CAttached_GC_aDp_190501_Fish1_cell3_mini.mat",
    "trials csv": "visual_behavior/session_trials.csv",
    "features csv": "visual_behavior/response_features.csv",
    "tectum": "zebrafish_tectum",
    "image set": "natural_images/allen_118_scenes/all_input_scenes_118_961.npy",
    "images and counts": "natural_images/macaque_v4_210325",
    "spike trials": "neuropixels_gratings",
}

Mutation = tuple[str, float, int, bytes]
MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["flip", "overwrite", "cut", "truncate", "repeat", "insert"]),
        st.floats(0, 1, exclude_max=True),
        st.integers(1, 4096),
        st.binary(min_size=1, max_size=16),
    ),
    min_size=1,
    max_size=3,
)


def mutated(content: bytes, mutation: Mutation) -> bytes:
    """The content with one thing done to it at a place between its begin (0) and end (1)."""
    kind, where, length, other = mutation
    at = int(where * len(content))
    if kind == "flip":
        return content[:at] + bytes([content[at] ^ (1 << length % 8)]) + content[at + 1 :] if content else content
    if kind == "overwrite":
        return content[:at] + other + content[at + len(other) :]
    if kind == "cut":
        return content[:at] + content[at + length :]
    if kind == "truncate":
        return content[:at]
    if kind == "repeat":
        return content[:at] + content[at : at + length] * 2 + content[at + length :]
    return content[:at] + other + content[at:]


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The recordings to be damaged."""
    folder = tmp_path_factory.mktemp("originals")
    plan = ChangeDetectionPlan(n_vip_mice=1, n_sst_mice=0, cells_per_mouse=2, duration_s=60)
    found = {"nwb ophys": write_sessions(plan, folder / "nwb")[0]}
    found |= {path.stem: path for path in sorted(FILES.glob("*.nwb"))}
    described = folder / "described"
    described.mkdir()
    frames = "\n".join(",".join(str(cell + frame / 7) for frame in range(40)) for cell in range(5))
    (described / "day1.csv").write_text(frames + "\n")
    (described / "day1.yaml").write_text(
        "format: matrix\nmatrix: day1.csv\norientation: cells_by_frames\nrate_hz: 20\nsignal: dff\nsubject: m1\n"
    )
    found["lab csv"] = described / "day1.yaml"
    return found | {name: REAL / path for name, path in _REAL.items() if (REAL / path).exists()}


def copy_mutated(original: Path, folder: Path, part: float, mutations: list[Mutation]) -> Path:
    """A copy of the recording in the folder, one of its files damaged, the others the same by a hard link."""
    reader = reader_for(original)
    files = parts_of(original, reader)
    base = original if original.is_dir() else original.parent
    damaged = files[int(part * len(files))]
    for file in files:
        copy = folder / base.name / file.relative_to(base)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if file == damaged:
            content = file.read_bytes()
            for mutation in mutations:
                content = mutated(content, mutation)
            copy.write_bytes(content)
        else:
            _link(file, copy)
    return folder / base.name / original.relative_to(base)


def _link(file: Path, copy: Path) -> None:
    try:
        os.link(file, copy)
    except OSError:  # on another disk
        shutil.copyfile(file, copy)


@pytest.mark.parametrize("shard", [0, *(pytest.param(shard, marks=pytest.mark.platform) for shard in range(1, SHARDS))])
def test_a_damaged_file_goes_in_whole_or_is_refused_with_a_reason(
    shard: int, originals: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("NEUROLAKE_HOME", str(tmp_path / "home"))
    # HDF5 never ends on some; a night waits two minutes for that.
    monkeypatch.setattr(isolation, "SILENCE_S", 20)
    names = sorted(originals)
    outcomes: list[Ingested] = []
    ingest: Callable[[NewFile], Ingested] = ingest_file.fn

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(shard, shard), st.sampled_from(names), st.floats(0, 1, exclude_max=True), MUTATIONS)
    def damage(shard: int, name: str, part: float, mutations: list[Mutation]) -> None:
        number = len(outcomes)
        folder = tmp_path / "in" / str(number)
        path = copy_mutated(originals[name], folder, part, mutations)
        # A project of its own: two copies of one session would otherwise be refused for having the same id.
        outcomes.append(ingest(NewFile(f"m{number}", None, str(path), str(folder))))
        shutil.rmtree(folder)

    damage()
    refused = [one for one in outcomes if one.refusal is not None]
    assert all(one.refusal.strip() for one in refused)
    assert all(one.session_ids for one in outcomes if one.refusal is None)
    assert len(refused) > EXAMPLES / 4
    with open_lake(read_only=True) as lake:
        recorded = lake.query("SELECT session_id FROM recorded.sessions")["session_id"].to_list()
        assert sorted(recorded) == sorted(session for one in outcomes for session in one.session_ids)
        reasons = lake.query("SELECT source_uri FROM recorded.rejected WHERE field <> '' AND found <> ''")
        assert sorted(reasons["source_uri"]) == sorted(one.path for one in refused)
        broken = [result.name for result in run_checks(lake) if len(result.offending)]
    # The same content may come out of two mutations that change nothing that is read.
    assert [name for name in broken if name != "content_is_in_twice"] == []
