"""What a day's table says, and what a later run reads of it."""

from pathlib import Path

from bench.gpu.record import Figure, Outcome, Record, RowResult

RESULT = RowResult(
    name="exactness x",
    outcome=Outcome.FAILED,
    seconds=12.4,
    reason="not exact: a|b",
    figures=[Figure(case="float32", says="within 1e-6", numbers={"logps": 1e-6})],
)


def test_a_row_has_a_line_for_each_of_its_cases(tmp_path: Path):
    record = Record(tmp_path, rehearsed=False)
    record.add(RESULT)
    record.add(RowResult(name="demo", outcome=Outcome.DONE, seconds=100))
    assert (tmp_path / "gpu.md").read_text().splitlines() == [
        "| row | outcome | s | case | |",
        "|---|---|---|---|---|",
        "| exactness x | failed | 12 | float32 | within 1e-6 |",
        "| | | |  | not exact: a\\|b |",
        "| demo | done | 100 |  |  |",
    ]


def test_it_reads_what_it_wrote(tmp_path: Path):
    Record(tmp_path, rehearsed=False).add(RESULT)
    assert Record(tmp_path, rehearsed=False).results == [RESULT]


def test_a_rehearsal_is_no_beginning_of_a_day(tmp_path: Path):
    Record(tmp_path, rehearsed=True).add(RESULT)
    assert Record(tmp_path, rehearsed=False).results == []
