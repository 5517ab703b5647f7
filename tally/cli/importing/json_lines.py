"""Lines of JSON, an object a question: main.jsonl, or metadata.jsonl of an image folder."""

from collections.abc import Iterator

from tally.annotations.errors import NoQuestion
from tally.annotations.json_lines import read_question
from tally.cli.errors import CliError
from tally.cli.importing.asked import Asked
from tally.cli.importing.files import Files
from tally.cli.importing.pictures import Pictures

NAMES = ("main.jsonl", "metadata.jsonl")


def read_json_lines(files: Files, name: str) -> Iterator[Asked]:
    """Raises CliError that names the line."""
    pictures = Pictures(files, name)
    for number, line in enumerate(files.read(name).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            read = read_question(line)
        except NoQuestion as error:
            raise CliError(f"{name}, line {number} {error}.") from error
        yield pictures.ask(read)
