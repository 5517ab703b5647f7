"""What the options before the command say, and the options that many commands have."""

import os
from dataclasses import dataclass
from typing import Annotated, Literal

import typer

from tally.cli.commands.completion import complete_file_id, complete_job_id
from tally.cli.language import preferred_language
from tally.client import Client


@dataclass(frozen=True, kw_only=True)
class Connection:
    url: str
    token: str | None

    def open(self) -> Client:
        return Client(self.url, self.token, language=preferred_language(os.environ))


def open_client(context: typer.Context) -> Client:
    connection = context.ensure_object(Connection)
    return connection.open()


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
JobId = Annotated[
    str,
    typer.Argument(
        help="The job: its id, the beginning of it, or its name.",
        metavar="JOB_ID",
        autocompletion=complete_job_id,
    ),
]
FileId = Annotated[
    str,
    typer.Argument(
        help="The upload: its id, the beginning of it, or its name.",
        metavar="FILE_ID",
        autocompletion=complete_file_id,
    ),
]
Checkpoint = Annotated[
    Literal["last", "best"],
    typer.Option(
        help="The adapter of the last step, or of the one that answered best what is held out."
    ),
]
Model = Annotated[
    str | None, typer.Option(help="The base model, one of the server's; its first if unset.")
]
MaxImageSize = Annotated[
    int | None, typer.Option(min=56, max=4096, help="Longest side of a picture in pixels.")
]
MaxNewTokens = Annotated[
    int | None, typer.Option(min=1, max=1024, help="Most tokens of an answer.")
]
