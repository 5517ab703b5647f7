"""What the options before the command say, and what every command does with them."""

from dataclasses import dataclass
from typing import Annotated

import typer

from cli.api_client import ApiClient

DEFAULT_URL = "http://127.0.0.1:8000"


@dataclass(frozen=True, kw_only=True)
class Connection:
    url: str
    token: str | None

    def open(self) -> ApiClient:
        return ApiClient(self.url, self.token)


def open_client(context: typer.Context) -> ApiClient:
    connection: Connection = context.find_object(Connection)
    return connection.open()


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
JobId = Annotated[str, typer.Argument(help="The job's id.", metavar="JOB_ID")]
