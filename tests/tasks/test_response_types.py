"""The study of response types on planted sessions: classes come back, what doesn't fit is left out with its reason."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.cluster.hierarchy import linkage
from sklearn.metrics import adjusted_rand_score

from storage.check import all_checks, run_check
from storage.due import NewFile, Selection
from storage.lake import Lake, open_lake
from storage.response_types_due import fits_due, types_concluded, types_due
from storage.settings import Settings
from tasks.conclude_response_types import conclude_types, region_tests, type_counts
from tasks.fit_regressors import fit_session
from tasks.ingest import read_into_lake
from tasks.response_type_recipe import TypesRecipe
from tasks.response_types_rows import TypesRows, types_rows
from tests.tasks.planted_types import DECAY_S, KINDS, RUNNING, planted_onsets, put_types

RECIPE = TypesRecipe(tau_s=DECAY_S, fdr=0.01, slowest_s=None)
WITHOUT_CLUSTERS = replace(RECIPE, most_clustered=0)
LAB = Selection("lab")


def study(lake: Lake, recipe: TypesRecipe, protocol: str = "rigorous", chosen: Selection = LAB) -> TypesRows:
    """Fit whatever is due, conclude, and read what was found."""
    for due in fits_due(lake, recipe.by_protocol, chosen):
        fit_session.fn(due, None, recipe)
    for due in types_due(lake, protocol, recipe.by_protocol, recipe.study, chosen):
        conclude_types.fn(due, protocol, None, recipe)
    [study_id] = types_concluded(lake, protocol, recipe.by_protocol, recipe.study, chosen)
    return types_rows(lake, study_id)


def found_types(rows: TypesRows, protocol: str, session_id: str) -> list[str]:
    return rows.of(protocol).filter(session_id=session_id).sort("unit_id")["response_type"].to_list()


@dataclass(frozen=True)
class Planted:
    lake: Lake
    truth: list[str]
    rows: TypesRows


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    """One session that fits, concluded on."""
    settings = Settings(home=tmp_path_factory.mktemp("types"), threads=1)
    with pytest.MonkeyPatch.context() as patch, open_lake(settings) as lake:
        patch.setenv("NEUROLAKE_HOME", str(settings.home))
        truth = put_types(lake, "a", np.random.default_rng(3))
        yield Planted(lake, truth, study(lake, RECIPE))


def test_planted_classes_come_back_with_running_as_a_signal(planted: Planted):
    found = found_types(planted.rows, "rigorous", "a")
    assert set(found) >= {*KINDS, RUNNING, "none"}
    assert adjusted_rand_score(planted.truth, found) >= 0.95
    assert planted.rows.types.filter(protocol="rigorous", response_type="image")["roi_count"].to_list() == [4]
    # Published: r2 above .05 alone, and a stimulus for every ROI of it, one that follows running too.
    published = found_types(planted.rows, "published", "a")
    assert RUNNING not in published
    answering = [(true, one) for true, one in zip(planted.truth, published, strict=True) if true in KINDS]
    assert all(true == one for true, one in answering)


def test_a_roi_of_zeros_and_one_with_a_missing_frame_are_rows_that_say_why(planted: Planted):
    notes = planted.rows.of("rigorous").sort("unit_id")["note"].to_list()
    assert notes[-2:] == ["its trace never changes", "frames are missing"]
    assert notes[:-2] == [None] * (len(notes) - 2)
    for check in all_checks():
        if check.name in ("fits_lack_a_type", "types_name_no_regressor", "derived.roi_types: key"):
            assert run_check(planted.lake, check).offending.is_empty()


def test_clusters_and_their_tree_are_kept_as_scipy_gives_them(planted: Planted):
    clusters = planted.lake.query(
        """SELECT c.unit_id, c.leaf FROM derived.roi_clusters AS c JOIN findings.studies AS f USING (study_id)
        WHERE f.protocol = 'rigorous' AND c.scope = 'all' ORDER BY c.unit_id"""
    )
    asked = {"studies": planted.rows.inputs, "session_id": "a", "protocol": "rigorous", "scope": "all"}
    merges = planted.lake.answer("session_merges", **asked)
    traces = planted.lake.traces("a").values[:-2]
    tree = linkage(traces, "average", "correlation")
    assert merges["distance"].to_numpy() == pytest.approx(tree[:, 2], abs=1e-5)
    assert merges["roi_count"].to_list() == tree[:, 3].tolist()
    # Each merge joins ROIs that stand beside each other in the order of leaves.
    leaf = {number: [place] for number, place in enumerate(clusters["leaf"])}
    for number, (first, second) in enumerate(merges.select("first", "second").rows()):
        leaf[len(clusters) + number] = sorted(leaf[first] + leaf[second])
        assert np.ptp(leaf[len(clusters) + number]) == len(leaf[len(clusters) + number]) - 1
    assert planted.rows.of("rigorous")["leaf_of_all"].null_count() == 2  # the ROIs of zeros and of a missing frame


def test_sessions_that_do_not_fit_are_left_out_each_with_its_reason(lake: Lake):
    rng = np.random.default_rng(0)
    onsets = planted_onsets(rng, 700)
    put_types(lake, "good", rng, onsets=onsets | {"lick": np.append(onsets["lick"], 9000.0)})
    put_types(lake, "silent", rng, onsets={}, per_class=0)
    put_types(lake, "late", rng, onsets={"image": np.array([5000.0])}, per_class=0)
    put_types(lake, "twins", rng, onsets={"lick": onsets["lick"], "reward": onsets["lick"]}, per_class=0)
    put_types(lake, "raw", rng, per_class=1, signal="fluorescence")
    rows = study(lake, WITHOUT_CLUSTERS)
    reasons = dict(rows.excluded.filter(protocol="rigorous").select("session_id", "notes").iter_rows())
    assert sorted(reasons) == ["late", "raw", "silent", "twins"]
    assert reasons["silent"].startswith("no stimulus")
    assert "none of its events" in reasons["late"]
    assert "collinear" in reasons["twins"]
    assert "lick, reward" in reasons["twins"]
    assert reasons["raw"] == "no dff traces: the session has fluorescence"
    assert ("lick: 1 of 13 events are outside the recording, left out", "good") in rows.notes
    assert rows.regressors.filter(protocol="rigorous", regressor="lick")["outside_count"].to_list() == [1]


def test_an_indicator_that_nobody_names_is_asked_for(lake: Lake):
    put_types(lake, "a", np.random.default_rng(3), per_class=1)
    rows = study(lake, TypesRecipe(most_clustered=0))
    assert "names no indicator" in rows.excluded.filter(protocol="rigorous")["notes"].item()
    assert rows.regressors.filter(protocol="published")["tau_s"].drop_nulls().unique().to_list() == [1.5]
    named = study(lake, TypesRecipe(indicator="gcamp6f", most_clustered=0))
    assert named.regressors.filter(protocol="rigorous")["tau_s"].drop_nulls()[0] == pytest.approx(0.142 / np.log(2))


def test_raw_fluorescence_is_put_over_a_baseline_first(lake: Lake):
    truth = put_types(lake, "raw", np.random.default_rng(3), signal="fluorescence", noise=12)
    found = found_types(study(lake, replace(WITHOUT_CLUSTERS, signal="fluorescence")), "rigorous", "raw")
    assert adjusted_rand_score(truth[:-2], found[:-2]) >= 0.95


def test_a_second_run_does_nothing_and_another_choice_is_another_study(lake: Lake):
    put_types(lake, "a", np.random.default_rng(3), per_class=2, noise=4)
    first = study(lake, WITHOUT_CLUSTERS)
    snapshot = lake.snapshot_id
    assert fits_due(lake, WITHOUT_CLUSTERS.by_protocol, LAB) == []
    assert study(lake, WITHOUT_CLUSTERS).study == first.study
    assert lake.snapshot_id == snapshot
    other = replace(WITHOUT_CLUSTERS, fdr=0.2)
    assert [due.protocol for due in fits_due(lake, other.by_protocol, LAB)] == ["rigorous"]
    assert study(lake, other).study["study_id"] != first.study["study_id"]
    with open_lake(lake.settings, read_only=True) as asked:
        newest = asked.query("SELECT DISTINCT project, protocol FROM latest_response_types").rows()
        assert newest == [("lab", "rigorous")]
        assert len(asked.query("FROM rois_by_type")) == len(first.of("rigorous"))


def test_without_a_project_all_are_studied_but_those_without_a_roi_to_fit(lake: Lake):
    rng = np.random.default_rng(3)
    put_types(lake, "a", rng, per_class=1, noise=4)
    put_types(lake, "b", rng, per_class=1, noise=4, project="other")
    put_types(lake, "silent", rng, onsets={}, per_class=0, noise=4, project="silent")
    recipe = replace(WITHOUT_CLUSTERS, behavior=())
    for due in fits_due(lake, recipe.by_protocol):
        fit_session.fn(due, None, recipe)
    assert [due.project for due in types_due(lake, "rigorous", recipe.by_protocol, recipe.study)] == ["lab", "other"]
    [chosen] = types_due(lake, "rigorous", recipe.by_protocol, recipe.study, Selection("silent"))
    assert len(chosen.fit_studies) == 2


def test_so_many_clusters_as_were_asked_for(lake: Lake):
    put_types(lake, "a", np.random.default_rng(3), per_class=1, noise=4)
    rows = study(lake, replace(RECIPE, cluster_count=5))
    assert rows.of("rigorous")["cluster_of_all"].drop_nulls().n_unique() == 5
    chosen = rows.cluster_counts.filter(protocol="rigorous", scope="all").filter("chosen")
    assert chosen["cluster_count"].to_list() == [5]


def test_the_tectum_recording_gives_its_authors_rois(recordings: Path, lake: Lake):
    """r2 above .05 through a decay of 1.5 s: 55 prey, 92 looming and 16 dimming of the 163 ROIs on their list."""
    folder = recordings / "zebrafish_tectum"
    read_into_lake(NewFile("tectum", None, str(folder)), lake.settings)
    rows = study(lake, TypesRecipe(most_clustered=0), "published", Selection("tectum"))
    published = rows.of("published")
    counts = dict(published.filter("selected").group_by("response_type").len().rows())
    assert counts == {"prey": 55, "looming": 92, "dimming": 16}
    theirs = np.loadtxt(folder / "rois_r2_pass.csv", delimiter=",", skiprows=1)[:, 1:]
    chosen = published.filter("selected").sort("unit_id")["unit_id"].to_list()
    traces = lake.traces(published["session_id"][0], units=chosen).values
    assert traces == pytest.approx(theirs, abs=1e-6)
    slower = study(lake, TypesRecipe(tau_s=1.8, most_clustered=0), "published", Selection("tectum"))
    counts = dict(slower.of("published").filter("selected").group_by("response_type").len().rows())
    assert counts == {"prey": 61, "looming": 98, "dimming": 17}


def rois(shares: dict[str, list[float]], protocol: str = "rigorous") -> pl.DataFrame:
    """Twenty ROIs of an animal each, of which such a share are of type 'image', by region and animal."""
    named = {
        f"{region}-{animal}": (region, share)
        for region, of_region in shares.items()
        for animal, share in enumerate(of_region)
    }
    return pl.DataFrame(
        [
            {"protocol": protocol, "region": region, "animal_id": name, "session_id": name, "r2": 0.5}
            | {"response_type": "image" if roi < 20 * share else "none"}
            for name, (region, share) in named.items()
            for roi in range(20)
        ]
    )


def test_every_type_is_counted_in_every_region():
    counted = type_counts(rois({"VISl": [0.0, 0.0], "VISp": [0.5, 1.0]}))
    found = counted.select("region", "response_type", "roi_count", "share", "animal_count").rows()
    assert found == [
        ("VISl", "image", 0, 0.0, 2),
        ("VISl", "none", 40, 1.0, 2),
        ("VISp", "image", 30, 0.75, 2),
        ("VISp", "none", 10, 0.25, 2),
    ]


def test_regions_are_compared_over_animals_and_over_rois_only_with_a_caution():
    shares = {"VISl": [0.1, 0.2, 0.3], "VISp": [0.7, 0.8, 0.9]}
    rigorous = region_tests(rois(shares)).filter(response_type="image").to_dicts()[0]
    assert (rigorous["test"], rigorous["warning"]) == ("welch over animals", None)
    assert rigorous["difference"] == pytest.approx(-0.6)
    assert rigorous["ci_high"] < 0
    assert rigorous["p_holm"] == pytest.approx(2 * rigorous["p"])  # two types
    published = region_tests(rois(shares, "published")).filter(response_type="image").to_dicts()[0]
    assert published["test"] == "fisher over ROIs"
    assert "as independent" in published["warning"]
    one_animal = region_tests(rois({"VISl": [0.1], "VISp": [0.9]}))
    assert set(one_animal["test"]) == {"fisher over ROIs"}
