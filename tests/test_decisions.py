"""Decision records say where they stand, since when, and in which order."""

import re
from pathlib import Path

RECORDS = sorted((Path(__file__).parent.parent / "docs" / "decisions").iterdir())


def test_records_are_numbered_in_order():
    numbers = [int(path.name[:4]) for path in RECORDS]
    assert numbers == list(range(1, len(RECORDS) + 1))


def test_every_record_has_its_number_a_status_and_a_date():
    form = r"# {}\. .+\n\nStatus: (accepted|superseded)\b[^\n]*\bDate: \d{{4}}-\d\d-\d\d[;.]"
    wrong = [path.name for path in RECORDS if not _follows(path, form)]
    assert not wrong


def _follows(path: Path, form: str) -> bool:
    return bool(re.match(form.format(int(path.name[:4])), path.read_text()))
