"""sources.yaml says where recordings come from, and every path in it is found or reported."""

import os
from pathlib import Path

import pytest

from storage.sources import FoundFiles, Source, found_files, load_sources

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def rig(tmp_path):
    """rig/: two mice, a hidden folder, notes, a link to one of the sessions."""
    rig = tmp_path / "rig 2"
    for name in ("a/1.nwb", "a/2.NWB", "b/3.csv", "b/notes.txt", ".trash/4.nwb", "b/.5.nwb", "zarr.nwb/part"):
        (rig / name).parent.mkdir(parents=True, exist_ok=True)
        (rig / name).touch()
    (rig / "b" / "again.nwb").symlink_to(rig / "a" / "1.nwb")
    return rig


def found(rig: Path, *paths: str) -> FoundFiles:
    return found_files(Source(name="rig", paths=tuple(str(rig / path) for path in paths)))


def names(rig: Path, files: FoundFiles) -> list[str]:
    return [str(file.relative_to(rig)) for file in files.files]


def test_a_folder_is_walked_and_what_is_no_recording_is_counted(rig):
    files = found(rig, "")
    assert names(rig, files) == ["a/1.nwb", "a/2.NWB", "b/3.csv", "zarr.nwb"]
    assert (files.passed_over, files.missing) == (1, ())


def test_a_file_named_or_matched_is_offered_whatever_it_is(rig):
    assert names(rig, found(rig, "b/notes.txt")) == ["b/notes.txt"]
    assert names(rig, found(rig, "b/*.txt", "**/*.csv")) == ["b/3.csv", "b/notes.txt"]


def test_a_glob_finds_files_at_any_depth_and_no_hidden_ones(rig):
    assert names(rig, found(rig, "**/*.nwb")) == ["a/1.nwb", "zarr.nwb"]


def test_a_file_found_twice_is_offered_once(rig):
    assert names(rig, found(rig, "a", "a/1.nwb", "a/*", "b/again.nwb")) == ["a/1.nwb", "a/2.NWB"]


def test_what_leads_nowhere_is_reported(rig):
    files = found(rig, "c", "*.mat", "a/1.nwb")
    assert files.missing == (str(rig / "c"), str(rig / "*.mat"))
    assert len(files.files) == 1


def test_a_link_to_nowhere_is_offered_so_that_it_is_refused(rig):
    (rig / "a" / "gone.nwb").symlink_to("nothing")
    assert "a/gone.nwb" in names(rig, found(rig, "a"))


def test_a_name_with_brackets_is_a_name_where_such_a_file_exists(rig):
    (rig / "a[1].nwb").touch()
    assert names(rig, found(rig, "a[1].nwb")) == ["a[1].nwb"]


def test_paths_are_against_the_folder_of_the_yaml(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/anna")
    path = tmp_path / "sources.yaml"
    path.write_text("sources:\n  - name: lab\n    paths: [in/*.nwb, ~/x, /abs]\n    reader: nwb\n")
    (source,) = load_sources(path)
    assert source == Source(name="lab", paths=(f"{tmp_path}/in/*.nwb", "/home/anna/x", "/abs"), reader="nwb")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sources:\n  - name: my lab\n    paths: [a]\n", r"sources\[0\].name: .*must be of A-Z"),
        ("sources:\n  - name: lab\n", r"sources\[0\].paths: Field required"),
        ("sources:\n  - name: lab\n    paths: []\n", r"sources\[0\].paths: "),
        ("sources:\n  - name: lab\n    paths: a\n", r"sources\[0\].paths: "),
        ("sources:\n  - name: lab\n    paths: [a]\n    readr: x\n", r"sources\[0\].readr: Extra inputs"),
        (
            "sources:\n  - name: lab\n    paths: [a]\n    reader: x\n",
            r"must be one of .*visual_behavior_features, .*got 'x'",
        ),
        ("sources:\n  - {name: lab, paths: [a]}\n  - {name: lab, paths: [b]}\n", "lab again"),
        ("", "the file: "),
        ("sources: [", "is not YAML"),
        ("sources: !!python/object/apply:os.getcwd []", "is not YAML"),
    ],
)
def test_what_is_wrong_in_the_yaml_is_named(tmp_path, text, said):
    path = tmp_path / "sources.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=said) as caught:
        load_sources(path)
    assert str(path) in str(caught.value)


def test_a_yaml_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_sources(tmp_path / "sources.yaml")


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("rig 2", "rig-2"),
        ("rig 2/", "rig-2"),
        ("rig 2/a/1.nwb", "1"),
        ("rig 2/a/*.nwb", "a"),
        ("rig 2/**/*.nwb", "rig-2"),
    ],
)
def test_a_path_by_hand_is_one_source_named_after_it(rig, monkeypatch, given, name):
    monkeypatch.chdir(rig.parent)
    (source,) = load_sources(given)
    assert source == Source(name=name, paths=(os.path.abspath(given),))
    assert found_files(source).files


def test_a_glob_in_the_working_folder_is_named_after_it(rig, monkeypatch):
    monkeypatch.chdir(rig / "a")
    assert load_sources("*.nwb")[0].name == "a"


def test_the_sources_of_the_repository_are_the_samples():
    (source,) = load_sources(REPOSITORY / "sources.yaml")
    assert source.name == "simulated"
    assert source.paths == (str(REPOSITORY / "samples" / "sessions" / "*.nwb"),)
