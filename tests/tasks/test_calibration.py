"""The calibration that ships with the project is the one that its claims stand on."""

from itertools import product
from pathlib import Path

import polars as pl

from tasks.calibration import calibration_table, power_table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "calibration.md"


def test_every_test_of_rigorous_errs_in_three_to_seven_percent_of_a_thousand_data_sets() -> None:
    rigorous = calibration_table().filter(protocol="rigorous")
    assert len(rigorous) == 10 * 3
    assert rigorous["data_sets"].min() >= 1000
    assert rigorous["false_positive_rate"].is_between(0.03, 0.07).all()
    assert set(rigorous["intraclass_correlation"]) == {0.05, 0.1, 0.3}


def test_every_published_test_and_every_rejected_one_errs_more_often() -> None:
    table = calibration_table()
    assert table.filter(protocol="published")["false_positive_rate"].min() > 0.2
    assert table.filter(protocol="neither")["false_positive_rate"].min() > 0.07


def test_power_grows_with_the_effect_and_is_of_tests_of_rigorous_alone() -> None:
    power = power_table()
    assert set(power["protocol"]) == {"rigorous"}
    for _, group in power.group_by("contrast", "test", "intraclass_correlation"):
        assert group.sort("effect_dff")["power"].is_sorted()
        assert len(group) == 3


def test_the_page_prints_the_table() -> None:
    page = PAGE.read_text()
    for row in calibration_table().iter_rows(named=True):
        assert f"{100 * row['false_positive_rate']:.1f} ± {100 * row['standard_error']:.1f}" in page
    tests = calibration_table().select("contrast", "test").unique()
    assert all(f"| {contrast} | {test} |" in page for contrast, test in tests.rows())


def test_each_test_was_tried_at_each_correlation() -> None:
    table = calibration_table()
    tried = set(table.select("contrast", "test", "intraclass_correlation").rows())
    tests, correlations = table.select("contrast", "test").unique().rows(), table["intraclass_correlation"].unique()
    assert tried == {(*test, correlation) for test, correlation in product(tests, correlations)}
    assert table["standard_error"].max() < 0.02
    assert isinstance(table, pl.DataFrame)
