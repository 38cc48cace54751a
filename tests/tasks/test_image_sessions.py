"""Sessions of images as the lake holds them: counts as they were planted, and clear words for what is missing."""

from dataclasses import replace

import numpy as np
import pytest

from models.simulate_image_coding import BLANK
from storage.lake import Lake
from tasks.image_coding_recipe import CodingRecipe
from tasks.image_sessions import Unfit, image_session, session_patterns, session_pictures
from tests.tasks.planted_images import PLAN, put_images, simulated


def test_counts_images_and_blocks_are_those_that_were_planted(lake: Lake) -> None:
    planted = simulated()
    put_images(lake, "a", planted)
    found = image_session(lake, "a", CodingRecipe())
    assert np.array_equal(found.counts, planted.counts)
    assert np.array_equal(found.image, planted.image)
    assert (found.image == BLANK).sum() == PLAN.n_repeats
    assert np.array_equal(found.block, planted.block)
    assert found.image_name[3] == "natural_scenes_3"
    assert found.width_s == pytest.approx(0.25)
    assert any("1 of 5 units have no spikes" in note for note in found.notes)


def test_blocks_without_names_are_told_by_long_pauses(lake: Lake) -> None:
    planted = simulated()
    put_images(lake, "a", planted)
    lake.query("UPDATE recorded.events SET attributes = NULL")
    assert np.array_equal(image_session(lake, "a", CodingRecipe()).block, planted.block)


def test_a_window_of_its_own_counts_what_lies_in_it(lake: Lake) -> None:
    planted = simulated()
    put_images(lake, "a", planted)
    found = image_session(lake, "a", CodingRecipe(start_s=0.05, stop_s=0.1))
    train, onset_s = planted.spike_s[0], planted.onset_s[:, None]
    expected = ((train >= onset_s + 0.05) & (train <= onset_s + 0.1)).sum(axis=1)
    assert np.array_equal(found.counts[0], expected)


def test_counts_of_a_source_need_no_spikes_and_leave_out_what_a_unit_did_not_see(lake: Lake) -> None:
    planted = simulated()
    put_images(lake, "a", planted, spikes=False, counts=True)
    lake.query("DELETE FROM derived.spike_counts WHERE event_id = 7 AND unit_id = $unit", unit=int(planted.unit_id[1]))
    found = image_session(lake, "a", CodingRecipe())
    assert found.trains is None
    assert found.onset_s is None
    assert np.array_equal(found.counts, np.delete(planted.counts, 7, axis=1))
    assert np.array_equal(found.image, np.delete(planted.image, 7))
    assert any("1 of 100 presentations were not seen by all units" in note for note in found.notes)


def test_gabors_are_counted_by_their_parameters(lake: Lake) -> None:
    planted = simulated()
    own = [np.sort(np.append(train, planted.offset_s[-1] + 1 + 0.25 * 4 + 0.1)) for train in planted.spike_s]
    put_images(lake, "a", replace(planted, spike_s=own), gabors=True)
    patterns = session_patterns(lake, image_session(lake, "a", CodingRecipe()))
    measured, shown = patterns.means()
    assert shown.tolist() == [2] * 6
    fired = patterns.shown.with_row_index().filter(x_deg=0.0, orientation_deg=90.0)["index"].item()
    assert measured[:, fired].tolist() == [0.5] * 5
    assert np.delete(measured, fired, axis=1).sum() == 0


def test_what_is_missing_is_named(lake: Lake) -> None:
    planted = simulated()
    put_images(lake, "no-spikes", planted, spikes=False)
    with pytest.raises(Unfit, match="neither spikes nor spike counts"):
        image_session(lake, "no-spikes", CodingRecipe())
    put_images(lake, "few-pictures", planted, pictures=planted.images[:-2])
    session = image_session(lake, "few-pictures", CodingRecipe())
    with pytest.raises(Unfit, match="no pixels of 2 of 24 images"):
        session_pictures(lake, session, (16, 24))
    put_images(lake, "grey", planted, pictures=[np.full((16, 24), 127)] * 24)
    with pytest.raises(Unfit, match=r"can't be seen: all pixels of all 24 images are 127"):
        session_pictures(lake, image_session(lake, "grey", CodingRecipe()), (16, 24))
    with pytest.raises(Unfit, match="before the window begins"):
        image_session(lake, "grey", CodingRecipe(start_s=0.5))


def test_pictures_of_two_sizes_are_brought_to_one(lake: Lake) -> None:
    planted = simulated()
    pictures = [image if at else np.repeat(np.repeat(image, 2, 0), 2, 1) for at, image in enumerate(planted.images)]
    put_images(lake, "a", planted, pictures=pictures)
    found = session_pictures(lake, image_session(lake, "a", CodingRecipe()), (16, 24))
    assert np.array_equal(found.grey[1:], planted.images[1:])
    assert np.abs(found.grey[0] - planted.images[0]).mean() < 20
    assert found.display.max() <= 1
