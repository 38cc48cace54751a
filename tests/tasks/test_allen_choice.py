"""A choice of Allen sessions: what fits, and what is said when nothing does."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from tasks.allen_choice import AllenChoice, Criterion, fitting

ROWS = [
    {"id": 1, "line": "Vip", "areas": ["VISp", "LGd"]},
    {"id": 2, "line": "Sst", "areas": ["VISp"]},
    {"id": 3, "line": "Sst", "areas": []},
]


def line(*wanted: str) -> Criterion:
    return Criterion("cre_lines", wanted, lambda row: (row["line"],))


def areas(*wanted: str) -> Criterion:
    return Criterion("structures", wanted, lambda row: row["areas"])


def ids(*criteria: Criterion) -> list[int]:
    return [row["id"] for row in fitting(ROWS, criteria, what="session")]


def test_an_empty_criterion_leaves_everything_in():
    assert ids(line(), areas()) == [1, 2, 3]


def test_values_of_one_criterion_are_alternatives_and_criteria_add_up():
    assert ids(line("Vip", "Sst")) == [1, 2, 3]
    assert ids(line("Sst"), areas("VISp", "LGd")) == [2]


def test_an_unknown_value_is_refused_with_the_known_ones_even_beside_a_known_one():
    with pytest.raises(ValueError, match="cre_lines: no session has Pvalb; there are Sst, Vip"):
        ids(line("Vip", "Pvalb"))


def test_criteria_that_exclude_each_other_are_told_apart():
    with pytest.raises(ValueError, match="no session fits all of it; of 3") as refused:
        ids(line("Sst"), areas("LGd"))
    assert "cre_lines Sst: 2 by itself; with the rest there are Vip" in str(refused.value)
    assert "structures LGd: 1 by itself; with the rest there are VISp" in str(refused.value)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"max_sessions": 0}, "greater than or equal to 1"),
        ({"folder": Path("here")}, "folder must be an absolute path, got 'here'"),
        ({"cache": "neuropixels", "behavior": "active"}, "did no task"),
        ({"cache": "neuropixels", "experience_levels": ("Familiar",)}, "leave them out"),
        ({"cre_line": ("Vip-IRES-Cre",)}, "Extra inputs are not permitted"),
        ({"warehouse": "api.example.org"}, "should match pattern"),
    ],
)
def test_a_choice_that_can_not_be_is_refused(wrong, said):
    with pytest.raises(ValidationError, match=said):
        AllenChoice(**wrong)
