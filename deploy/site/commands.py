"""Every command and option of `tally`, as `tally --help` has them."""

import re
from functools import cache

import typer
from typer.cli import get_docs_for_click

from tally.cli.main import app


@cache
def written_commands() -> str:
    command = typer.main.get_command(app)
    context = typer.Context(command, info_name="tally")
    written = get_docs_for_click(obj=command, ctx=context, name="tally")
    # The page has the one heading of the first level.
    return re.sub("^#", "##", written, flags=re.MULTILINE)
