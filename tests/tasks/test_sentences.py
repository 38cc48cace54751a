import pytest

from tasks.sentences import (
    cre_name,
    decimals_for,
    dof_text,
    few,
    fixed,
    group_name,
    measure_name,
    measure_unit,
    measure_with_unit,
    p_clause,
    p_text,
    term_name,
    with_interval,
)


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0004, "< .001"),
        (0.0123, ".012"),
        (0.31, ".31"),
        (1.0, "1.00"),
        (0.0496, ".0496"),
        (0.05, ".050"),
        (None, "-"),
    ],
)
def test_p_values(p, text):
    assert p_text(p) == text


def test_p_in_a_clause():
    assert [p_clause(p) for p in (0.0004, 0.012, None)] == ["p < .001", "p = .012", "no p value"]


def test_numbers_have_two_digits_of_their_interval_and_no_more():
    assert [decimals_for(spread) for spread in (0.024, 0.3, 12.0, 250.0, 0.0, None)] == [3, 2, 0, 0, 3, 3]
    assert fixed(-0.0001, 2) == "0.00"
    assert fixed(0.04, 2, "+") == "+0.04"
    assert with_interval(0.0413, 0.0181, 0.0662, "+") == ("+0.041", "0.018 to 0.066")
    assert with_interval(0.0413, None, None) == ("0.041", "-")


def test_degrees_of_freedom_are_whole_where_they_are():
    assert [dof_text(dof) for dof in (6.0, 1204.0, 9.34, None)] == ["6", "1,204", "9.3", "-"]


def test_names_and_units():
    lines = ("Vip-IRES-Cre", "Sst-IRES-Cre", "Slc17a7-IRES2-Cre", "Sst-IRES-Cre - Vip-IRES-Cre", None)
    assert [cre_name(line) for line in lines] == ["VIP", "SST", "Slc17a7-IRES2-Cre", "SST - VIP", "cre line not given"]
    assert group_name("Vip-IRES-Cre", "all") == "VIP cells, all sets"
    assert group_name(None, None) == "Cells without a cre line, exposure not given"
    assert (measure_name("peak_latency_s"), measure_unit("peak_latency_s")) == ("peak latency", "s")
    assert (measure_name("skewness"), measure_unit("skewness")) == ("skewness", "")


def test_measures_of_spikes_are_named_as_those_of_dff_with_their_own_unit():
    assert measure_with_unit("peak_spike_prob") == "peak (spikes/frame)"
    assert measure_with_unit("auc_spike_prob_s") == "response area (spikes/frame s)"
    assert measure_with_unit("spike_prob_peak_latency_s") == "peak latency (s)"
    assert measure_with_unit("peak_dff + peak_latency_s") == "peak (dF/F) + peak latency (s)"


def test_terms_of_models_are_said_plainly():
    assert term_name("cre_line[Vip-IRES-Cre] x omitted x exposure_level[novel]") == "VIP x omitted x novel"
    assert term_name("cre_line x exposure_level") == "cre line x exposure"


def test_few_mice_are_warned_of():
    assert few(4) == " With only 4 mice, this carries little."
    assert few(5) == ""
