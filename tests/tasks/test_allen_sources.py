"""The sources.yaml that a fetch leaves is one that the main environment reads."""

from pathlib import Path

import pytest
import yaml

from storage.sources import found_files, load_sources
from tasks.allen_sources import name_source


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for place in (
        "vb/release-1/files/e1.nwb",
        "vb/release-1/files/e2.nwb.part",
        "np/session_7/session_7.nwb",
    ):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    return tmp_path


def test_the_lake_finds_the_files_it_names(home):
    file = home / "sources.yaml"
    name_source(file, "allen_vb", "allen_visual_behavior", {(home / "vb/release-1/files", "*.nwb")})
    name_source(file, "allen_np", "allen_neuropixels", {(home / "np", "session_*/session_*.nwb")})
    found = {source.name: [path.name for path in found_files(source).files] for source in load_sources(file)}
    assert found == {"allen_np": ["session_7.nwb"], "allen_vb": ["e1.nwb"]}


def test_an_entry_is_replaced_and_those_of_others_stay(home):
    file = home / "sources.yaml"
    file.write_text("sources:\n- {name: mylab, paths: [/data/mylab]}\n- {name: allen_vb, paths: [old], reader: old}\n")
    name_source(file, "allen_vb", "allen_visual_behavior", {(home / "vb", "*.nwb"), (Path("/elsewhere [1]"), "*.nwb")})
    assert yaml.safe_load(file.read_text())["sources"] == [
        {"name": "allen_vb", "paths": ["/elsewhere [[]1]/*.nwb", "vb/*.nwb"], "reader": "allen_visual_behavior"},
        {"name": "mylab", "paths": ["/data/mylab"]},
    ]


@pytest.mark.parametrize("content", ["just text", "sources: 5", "sources: [a]", ""])
def test_another_file_of_that_name_is_not_overwritten(home, content):
    file = home / "sources.yaml"
    file.write_text(content)
    with pytest.raises(ValueError, match="holds no list of sources"):
        name_source(file, "allen_vb", "allen_visual_behavior", {(home / "vb", "*.nwb")})
    assert file.read_text() == content
