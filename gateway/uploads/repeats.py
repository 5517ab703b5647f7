"""Rows that ask what others ask of the same image."""

from gateway.errors import Problem
from gateway.uploads.bad_rows import BadRows
from gateway.uploads.dataset import CountedRow
from gateway.uploads.rows import to_warnings
from tally.messages.message import Message


def judge_repeats(
    counted: list[CountedRow], bad: BadRows
) -> tuple[list[CountedRow], list[Message]]:
    """The rows without those that contradict an earlier one, and warnings for those that repeat it.

    Raises Unprocessable where contradictions may not be left out.
    """
    first: dict[tuple[str, str], CountedRow] = {}
    kept, repeats = [], []
    for one in counted:
        seen = first.setdefault((one.row.image, one.row.question), one)
        if seen.true_count != one.true_count:
            bad.add(one.row.number, Message("rows_contradict", other=seen.row.number))
            continue
        kept.append(one)
        if seen is not one:
            repeat = Message("row_repeats", other=seen.row.number)
            repeats.append(Problem(f"row {one.row.number}", repeat))
    bad.settle(rows_left=len(kept))
    return kept, to_warnings(repeats)
