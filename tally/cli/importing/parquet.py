"""A Hugging Face data set, of one Parquet file or several."""

from collections.abc import Collection, Iterator
from functools import partial

from tally.annotations.errors import BadAnnotations
from tally.annotations.parquet import read_table
from tally.cli.errors import CliError
from tally.cli.importing.asked import Asked
from tally.cli.importing.files import Files


def read_parquet(files: Files, names: Collection[str]) -> Iterator[Asked]:
    """The questions of files of one data set; raises CliError."""
    for name in sorted(names):
        try:
            for question, picture in read_table(files.read(name)):
                yield Asked(question, partial(bytes, picture))
        except BadAnnotations as error:
            raise CliError(f"{name} {error}.") from error
        except ImportError as error:
            message = "Reading Parquet needs pyarrow; `pip install pyarrow` brings it."
            raise CliError(message) from error
