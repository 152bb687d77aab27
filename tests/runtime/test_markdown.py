"""Markdown tables."""

from reid_edge.markdown import markdown_table


def test_a_padded_table_has_straight_columns_with_the_figures_on_the_right() -> None:
    table = markdown_table(("set", "R-1"), [("zebra", "0.812"), ("a tiger", "1")])
    assert table.splitlines() == ["| set     |   R-1 |", "| ------- | ----: |", "| zebra   | 0.812 |", "| a tiger |     1 |"]


def test_a_table_of_sentences_is_not_padded() -> None:
    table = markdown_table(("fault", "result"), [("A card is pulled.", "holds")], padded=False)
    assert table.splitlines() == ["| fault | result |", "| --- | --- |", "| A card is pulled. | holds |"]


def test_a_table_without_rows_has_its_header() -> None:
    assert markdown_table(("what", "figure"), []).splitlines() == ["| what | figure |", "| ---- | -----: |"]
