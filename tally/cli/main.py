"""`tally`: the commands, and how their errors are shown."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tally.cli.commands import comparisons, data, jobs, settings, steps, train
from tally.cli.commands.context import Connection
from tally.cli.commands.delete import delete
from tally.cli.commands.demo import demo
from tally.cli.commands.import_ import import_
from tally.cli.commands.models import models
from tally.cli.commands.predict import answers, predict, predictions
from tally.cli.commands.preflight import preflight
from tally.cli.commands.rewards import rewards
from tally.cli.errors import CliError, explain
from tally.cli.show.output import say_error
from tally.cli.stack.running_stack import up
from tally.client import ClientError
from tally.client.gateway_address import DEFAULT_URL


class ErrorShowingGroup(TyperGroup):
    """Shows what went wrong as a sentence, with the log's tail where there is one."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CliError as error:
            if error.log_tail:
                say_error(f"--- the end of the {error.log_owner}'s log")
                say_error(error.log_tail)
                say_error("---")
            say_error(f"Error: {error}")
            raise typer.Exit(error.exit_code) from error
        except ClientError as error:
            say_error(f"Error: {explain(error)}")
            raise typer.Exit(CliError.exit_code) from error


app = typer.Typer(
    cls=ErrorShowingGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
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


_COMMANDS = {
    "Run it": (up, demo),
    "Data": (import_, data.upload, data.files, data.rows, data.picture),
    "Training": (
        models,
        settings.settings,
        rewards,
        preflight,
        train.train,
        train.resume,
        jobs.watch,
        jobs.jobs,
        jobs.job,
        jobs.edit,
        jobs.logs,
        jobs.cancel,
        steps.metrics,
        steps.samples,
    ),
    "Results": (
        jobs.download,
        comparisons.compare,
        comparisons.comparisons,
        comparisons.comparison,
        comparisons.report,
        predict,
        predictions,
        answers,
    ),
    "Housekeeping": (delete,),
}
for panel, commands in _COMMANDS.items():
    for command in commands:
        app.command(command.__name__.rstrip("_"), rich_help_panel=panel)(command)
