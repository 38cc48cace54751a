"""Champion and challenger: a later study on the same rows ties, and the present champion stays."""

import pytest

from storage.due import StudyDue
from storage.lake import open_lake
from storage.registry import Registry
from storage.settings import Settings
from tasks.decode import decode
from tasks.decoder_design import design
from tasks.register_decoder import register_decoder
from tests.tasks.test_decode import feature_rows


def test_a_later_study_on_the_same_rows_keeps_the_champion(tmp_path):
    _, decoding = decode(design(feature_rows(), "rigorous", "condition"), "omission-1")
    with open_lake(Settings(home=tmp_path)) as lake:
        rows = [
            register_decoder(lake, StudyDue("lab", study_id, ("responses-1",)), decoding, "SELECT 1", 1)
            for study_id in ("omission-1", "omission-2")
        ]
        first, second = rows
        champion = Registry(lake.settings).champion("omitted-or-presented-lab-rigorous")
    assert (first["model_version"], first["champion_version"], first["promoted"]) == (1, None, True)
    assert (second["model_version"], second["champion_version"], second["promoted"]) == (2, 1, False)
    assert second["champion_accuracy"] == pytest.approx(second["accuracy"])
    assert champion is not None
    assert champion.version == 1
