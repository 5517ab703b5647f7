"""`tally import`."""

from pathlib import Path
from typing import Annotated

import typer

from tally.annotations.questions import QuestionLanguage
from tally.cli.commands.context import AsJson
from tally.cli.importing.documented_zip import write_zip
from tally.cli.importing.found import read_data
from tally.cli.show.output import print_json, say


def import_(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER_OR_FILE",
            exists=True,
            help="A COCO file, YOLO labels, JSON Lines or Parquet, with the pictures.",
        ),
    ],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", dir_okay=False, help="Where the ZIP goes.")
    ],
    question_language: Annotated[
        QuestionLanguage, typer.Option(help="The language that annotations are asked about in.")
    ] = QuestionLanguage.ENGLISH,
    zero_counts: Annotated[
        bool, typer.Option("--zero-counts", help="Ask for what a picture shows none of, too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a ZIP with main.csv and images/ of data in another form."""
    written = write_zip(output, read_data(path, question_language, zero_counts=zero_counts))
    if as_json:
        print_json({"path": str(output), "rows": written.rows, "images": written.images})
    else:
        say(f"{output}: {written.rows:,} rows, {written.images:,} images")
