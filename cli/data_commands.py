"""`tally upload` and `tally files`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from cli.api_client import ApiClient, Json, upload_path
from cli.context import AsJson, open_client
from cli.errors import CliError
from cli.output import error_console, print_json, print_table, say, say_error


def upload(
    context: typer.Context,
    path: Annotated[
        Path, typer.Argument(metavar="ZIP", exists=True, dir_okay=False, help="The data.")
    ],
    as_json: AsJson = False,
) -> None:
    """Upload a ZIP with main.csv and images/."""
    with open_client(context) as client:
        answer = upload_with_bar(client, path)
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


def file_id_of(client: ApiClient, file_id_or_zip: str) -> str:
    """A file id as it is; a ZIP is uploaded first."""
    path = Path(file_id_or_zip)
    if path.is_file():
        answer = upload_with_bar(client, path)
        say_error(describe_upload(answer))
        return answer["file_id"]
    if path.suffix.lower() == ".zip" or path.name != file_id_or_zip:
        raise CliError(f"There is no file {file_id_or_zip}.")
    return file_id_or_zip


def upload_with_bar(client: ApiClient, path: Path) -> Json:
    if not error_console.is_terminal:
        return upload_path(client, path)
    with (
        Progress(console=error_console, transient=True) as progress,
        progress.open(path, "rb", description=f"Uploading {path.name}") as file,
    ):
        return client.upload(file, path.name)


def describe_upload(answer: Json) -> str:
    said = (
        f"{answer['filename']}: {answer['csv_rows']} rows, {answer['valid_images']} valid images, "
        f"file_id {answer['file_id']}"
    )
    warnings = [f"  warning: {warning}" for warning in answer.get("warnings") or []]
    return "\n".join([said, *warnings])
