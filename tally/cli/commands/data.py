"""`tally upload`, `files`, `rows`, `picture`."""

from pathlib import Path
from typing import Annotated

import typer

from tally.annotations.questions import QuestionLanguage
from tally.cli.answers import Json, contents_of
from tally.cli.commands.context import AsJson, FileId, open_client
from tally.cli.commands.identifiers import uploaded_id_of
from tally.cli.errors import CliError
from tally.cli.files import write_file
from tally.cli.show.bars import open_with_bar
from tally.cli.show.output import print_fields, print_json, say, say_error
from tally.client import Client


def upload(
    context: typer.Context,
    path: Annotated[
        Path, typer.Argument(metavar="ZIP", exists=True, dir_okay=False, help="The data.")
    ],
    *,
    encoding: Annotated[
        str | None, typer.Option(help="The encoding of main.csv, where it can't be told.")
    ] = None,
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Leave out rows that are wrong, and list them.")
    ] = False,
    question_language: Annotated[
        QuestionLanguage | None,
        typer.Option(help="The language that annotations of COCO or YOLO are asked about in."),
    ] = None,
    zero_counts: Annotated[
        bool, typer.Option("--zero-counts", help="Ask for what a picture shows none of, too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Upload a ZIP with main.csv and images/."""
    settings = {
        "encoding": encoding,
        "on_bad_rows": "skip" if skip_bad_rows else None,
        "question_language": question_language,
        "zero_counts": "include" if zero_counts else None,
    }
    with open_client(context) as client:
        answer = upload_with_bar(client, path, settings)
    if as_json:
        print_json(answer)
    else:
        say(describe_upload(answer))


def files(context: typer.Context, as_json: AsJson = False) -> None:
    """List what has been uploaded."""
    with open_client(context) as client:
        listed = client.files()
    if as_json:
        print_json(listed)
        return
    names = ["file_id", "filename", "kind", "csv_rows", "valid_images", "upload_time"]
    print_fields(names, listed)


def rows(
    context: typer.Context,
    file_id: FileId,
    offset: Annotated[int, typer.Option(min=0, help="Rows to pass over.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Rows to show at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List the rows of an upload."""
    with open_client(context) as client:
        page = client.rows(uploaded_id_of(client, file_id), offset, limit)
    if as_json:
        print_json(page)
        return
    names = ["row", "true_count", "image", "question", "answer"]
    print_fields(names, page["rows"])
    if (end := offset + len(page["rows"])) < page["csv_rows"]:
        say_error(f"{page['csv_rows'] - end} more rows; --offset {end} goes on.")


def picture(
    context: typer.Context,
    file_id: FileId,
    row: Annotated[int, typer.Argument(min=0, help="A row, as `tally rows` numbers them.")],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", dir_okay=False, help="Where the picture goes.")
    ],
    max_side: Annotated[
        int | None,
        typer.Option(min=16, max=2048, help="A JPEG of at most so many pixels a side."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Save the picture of a row."""
    with open_client(context) as client:
        content = client.picture(uploaded_id_of(client, file_id), row, max_side)
    write_file(output, content)
    if as_json:
        print_json({"path": str(output), "size_bytes": len(content)})
    else:
        say(f"{output}: {len(content):,} bytes")


def file_id_of(client: Client, file_id_or_zip: str) -> str:
    """Of an upload, as it may be called; a ZIP is uploaded first."""
    path = existing_file(file_id_or_zip)
    if path is None:
        return uploaded_id_of(client, file_id_or_zip)
    answer = upload_with_bar(client, path)
    say_error(describe_upload(answer))
    return str(answer["file_id"])


def existing_file(id_or_path: str) -> Path | None:
    """The file that is meant, or None for an id. Raises CliError for a file that isn't there."""
    path = Path(id_or_path)
    if path.is_file():
        return path
    if path.suffix.lower() == ".zip" or path.name != id_or_path:
        raise CliError(f"There is no file {id_or_path}.")
    return None


def upload_with_bar(client: Client, path: Path, settings: Json | None = None) -> Json:
    with open_with_bar(path) as file:
        return client.upload(file, path.name, settings)


def describe_upload(answer: Json) -> str:
    images = "" if answer.get("kind") == "adapter" else f", {answer['valid_images']} valid images"
    said = f"{answer['filename']}: {contents_of(answer)}{images}, file_id {answer['file_id']}"
    warnings = [f"  warning: {warning}" for warning in answer.get("warnings") or []]
    skipped = [f"  row {bad['row']}: {bad['message']}" for bad in answer.get("skipped") or []]
    if skipped:
        skipped.insert(0, f"  {answer['skipped_rows']} rows were left out:")
    return "\n".join([said, *warnings, *skipped])
