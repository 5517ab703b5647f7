"""`tally upload`, `files`, `rows`, `picture`."""

from pathlib import Path
from typing import Annotated

import typer

from tally.cli.client.api_client import ApiClient, Json
from tally.cli.commands.context import AsJson, FileId, open_client
from tally.cli.errors import CliError
from tally.cli.files import write_file
from tally.cli.show.bars import open_with_bar
from tally.cli.show.output import print_json, print_table, say, say_error


def upload(
    context: typer.Context,
    path: Annotated[
        Path, typer.Argument(metavar="ZIP", exists=True, dir_okay=False, help="The data.")
    ],
    encoding: Annotated[
        str | None, typer.Option(help="The encoding of main.csv where it is not UTF-8.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Upload a ZIP with main.csv and images/."""
    with open_client(context) as client:
        answer = upload_with_bar(client, path, encoding)
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
    names = ["file_id", "filename", "csv_rows", "valid_images", "upload_time"]
    print_table(names, [[file.get(name) for name in names] for file in listed])


def rows(
    context: typer.Context,
    file_id: FileId,
    offset: Annotated[int, typer.Option(min=0, help="Rows to pass over.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Rows to show at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List the rows of an upload."""
    with open_client(context) as client:
        page = client.rows(file_id, offset, limit)
    if as_json:
        print_json(page)
        return
    names = ["row", "true_count", "image", "question", "answer"]
    print_table(names, [[row[name] for name in names] for row in page["rows"]])
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
        content = client.picture(file_id, row, max_side)
    write_file(output, content)
    if as_json:
        print_json({"path": str(output), "size_bytes": len(content)})
    else:
        say(f"{output}: {len(content):,} bytes")


def file_id_of(client: ApiClient, file_id_or_zip: str) -> str:
    """A file id as it is; a ZIP is uploaded first."""
    path = existing_file(file_id_or_zip)
    if path is None:
        return file_id_or_zip
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


def upload_with_bar(client: ApiClient, path: Path, encoding: str | None = None) -> Json:
    with open_with_bar(path) as file:
        return client.upload(file, path.name, encoding)


def describe_upload(answer: Json) -> str:
    said = (
        f"{answer['filename']}: {answer['csv_rows']} rows, {answer['valid_images']} valid images, "
        f"file_id {answer['file_id']}"
    )
    warnings = [f"  warning: {warning}" for warning in answer.get("warnings") or []]
    return "\n".join([said, *warnings])
