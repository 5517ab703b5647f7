"""`tally predict`: an image and a question, to base and adapter."""

from pathlib import Path
from typing import Annotated

import typer

from tally.cli.client.api_client import Json
from tally.cli.commands.completion import complete_job_id
from tally.cli.commands.context import AsJson, MaxImageSize, MaxNewTokens, Model, open_client
from tally.cli.show.bars import show_waiting
from tally.cli.show.output import print_json, print_table


def predict(
    context: typer.Context,
    image: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A picture.")],
    question: Annotated[str, typer.Argument(help='Such as "How many apples are there?"')],
    *,
    job: Annotated[
        str | None,
        typer.Option(
            metavar="JOB_ID",
            help="Ask this job's adapter too; a job in training answers as it is now.",
            autocompletion=complete_job_id,
        ),
    ] = None,
    model: Model = None,
    max_image_size: MaxImageSize = None,
    max_new_tokens: MaxNewTokens = None,
    as_json: AsJson = False,
) -> None:
    """Ask the base model, and a job's adapter beside it, about a picture."""
    asked = {
        "question": question,
        "job_id": job,
        "model": model,
        "max_image_size": max_image_size,
        "max_new_tokens": max_new_tokens,
    }
    with open_client(context) as client, image.open("rb") as file, show_waiting("Asking"):
        answer = client.predict(file, image.name, asked)
    if as_json:
        print_json(answer)
        return
    given = [(name, answer[name]) for name in ("base", "adapter") if answer[name]]
    print_table(["", "count", "answer"], [[name, *_cells(one)] for name, one in given])


def _cells(answer: Json) -> list[object]:
    if answer["count"] is None:
        return ["–", f"{answer['text']} ({answer['explanation']})"]
    return [answer["count"], answer["text"]]
