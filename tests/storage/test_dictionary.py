"""The data dictionary follows from the declarations."""

from storage.dictionary import PATH, render
from storage.tables import TABLES


def test_the_committed_dictionary_is_not_stale():
    assert PATH.read_text(encoding="utf-8") == render()


def test_each_column_of_each_table_is_explained():
    page = render()
    for table in TABLES:
        section = page.split(f"### `{table.name}`\n")[1].split("\n### ")[0]
        for column in table.columns:
            assert f"| `{column.name}` | {column.sql_type} |" in section
            assert column.meaning.replace("|", "\\|") in section
