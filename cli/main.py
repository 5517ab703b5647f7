"""`tally`: the commands, and how their errors are shown."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cli import data_commands, job_commands
from cli.context import DEFAULT_URL, Connection
from cli.demo import demo
from cli.errors import CliError, StackFailed
from cli.output import say_error
from cli.stack import up


class ErrorShowingGroup(TyperGroup):
    """Shows a CliError as a sentence, with the log's tail where there is one."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CliError as error:
            if isinstance(error, StackFailed) and error.log_tail:
                say_error(f"--- the end of the {error.service} service's log")
                say_error(error.log_tail)
                say_error("---")
            say_error(f"Error: {error}")
            raise typer.Exit(error.exit_code) from error


app = typer.Typer(
    cls=ErrorShowingGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def tally(
    context: typer.Context,
    url: Annotated[str, typer.Option(envvar="TALLY_URL", help="The gateway.")] = DEFAULT_URL,
    token: Annotated[
        str | None,
        typer.Option(envvar="TALLY_TOKEN", help="What the gateway asks for, if it does."),
    ] = None,
) -> None:
    """Teach a vision-language model to count."""
    context.obj = Connection(url=url, token=token)


app.command()(up)
app.command()(demo)
app.command()(data_commands.upload)
app.command()(data_commands.files)
app.command()(job_commands.train)
app.command()(job_commands.watch)
app.command()(job_commands.jobs)
app.command()(job_commands.job)
app.command()(job_commands.cancel)
app.command()(job_commands.download)
