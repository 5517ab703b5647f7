"""The tables of the documents, and the client's types, are those of today's settings and routes."""

import pytest

from tests.generated_docs import DOCS, TABLES, stale_documents, with_tables


def test_no_table_is_stale():
    assert not stale_documents(), "run `make docs`"


def test_every_table_stands_in_a_document():
    texts = "".join(path.read_text() for path in DOCS.rglob("*.md"))
    assert [name for name in TABLES if f"<!-- table: {name} -->" not in texts] == []


def test_what_stands_around_a_table_stays():
    text = "before\n<!-- table: lora_config -->\n| old |\n<!-- end of table -->\nafter\n"
    written = with_tables(text)
    assert written.startswith("before\n<!-- table: lora_config -->\n| `lora_config` | default |")
    assert written.endswith("|\n<!-- end of table -->\nafter\n")
    assert "| `r` | 64 | 1 to 512 | Rank. |\n" in written


def test_a_table_that_nothing_states_is_an_error():
    with pytest.raises(KeyError):
        with_tables("<!-- table: invented -->\n<!-- end of table -->\n")
