"""`tally predict`: a question about a picture, or about all of a folder or a ZIP; `predictions`."""

import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from tally.cli.answers import Json
from tally.cli.commands.completion import complete_job_id, complete_prediction_id
from tally.cli.commands.context import (
    AsJson,
    Checkpoint,
    MaxImageSize,
    MaxNewTokens,
    Model,
    open_client,
)
from tally.cli.commands.identifiers import job_id_of, prediction_id_of
from tally.cli.errors import CliError, Interrupted
from tally.cli.files import write_file
from tally.cli.show.bars import open_with_bar, show_waiting
from tally.cli.show.output import print_fields, print_json, print_table, say
from tally.cli.show.watch import watch_prediction
from tally.client import Client

_ZIP = ".zip"


def predict(
    context: typer.Context,
    image: Annotated[
        Path,
        typer.Argument(
            metavar="IMAGE|FOLDER|ZIP", exists=True, help="A picture, or a folder or ZIP of them."
        ),
    ],
    question: Annotated[str, typer.Argument(help='Such as "How many apples are there?"')],
    *,
    job: Annotated[
        str | None,
        typer.Option(
            metavar="JOB_ID",
            help="Ask this job's adapter: beside the base about a picture, where a job in training "
            "answers as it is now; alone about many.",
            autocompletion=complete_job_id,
        ),
    ] = None,
    checkpoint: Checkpoint = "last",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", dir_okay=False, help="Where the table about many goes."),
    ] = None,
    abstain_below: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Leave counts of a smaller probability out of the table."),
    ] = None,
    model: Model = None,
    max_image_size: MaxImageSize = None,
    max_new_tokens: MaxNewTokens = None,
    as_json: AsJson = False,
) -> None:
    """Ask a model about a picture; or about all of a folder or a ZIP, into a table."""
    with open_client(context) as client:
        asked: dict[str, Any] = {
            "question": question,
            "job_id": job and job_id_of(client, job),
            "checkpoint": None if checkpoint == "last" else checkpoint,
            "model": model,
            "max_image_size": max_image_size,
            "max_new_tokens": max_new_tokens,
        }
        if image.is_dir() or image.suffix.lower() == _ZIP:
            asked["abstain_below"] = abstain_below
            _predict_all(client, image, asked, output, as_json)
        elif output or abstain_below is not None:
            raise CliError("--output and --abstain-below are for a folder or a ZIP of pictures.")
        else:
            _predict_one(client, image, asked, as_json)


def predictions(context: typer.Context, as_json: AsJson = False) -> None:
    """List what was asked about many pictures."""
    with open_client(context) as client:
        listed = client.predictions()
    if as_json:
        print_json(listed)
        return
    names = ["prediction_id", "name", "job_id", "status", "progress", "created_at", "question"]
    print_fields(names, listed)


def answers(
    context: typer.Context,
    prediction_id: Annotated[
        str, typer.Argument(metavar="PREDICTION_ID", autocompletion=complete_prediction_id)
    ],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", dir_okay=False, help="Where the table goes.")
    ],
    abstain_below: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Leave out counts of a smaller probability."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Save the table of a prediction; waits until it has ended."""
    with open_client(context) as client:
        prediction_id = prediction_id_of(client, prediction_id)
        if client.prediction(prediction_id)["status"] != "completed":
            _watch(client, prediction_id)
        _save(client, prediction_id, output, abstain_below, as_json)


def _predict_one(client: Client, image: Path, asked: Json, as_json: bool) -> None:
    with image.open("rb") as file, show_waiting("Asking"):
        answer: Json = client.predict(file, image.name, asked)
    if as_json:
        print_json(answer)
        return
    given = [(name, answer[name]) for name in ("base", "adapter") if answer[name]]
    print_table(["", "count", "answer"], [[name, *_cells(one)] for name, one in given])


def _predict_all(
    client: Client, pictures: Path, asked: Json, output: Path | None, as_json: bool
) -> None:
    if output is None:
        raise CliError("Where is the table to go? Name it: --output answers.csv.")
    with _as_zip(pictures) as path, open_with_bar(path) as file:
        started = client.predict_all(file, f"{pictures.stem}{_ZIP}", asked)
    prediction_id = started["prediction_id"]
    _watch(client, prediction_id)
    _save(client, prediction_id, output, None, as_json)


def _watch(client: Client, prediction_id: str) -> None:
    try:
        watch_prediction(client, prediction_id)
    except KeyboardInterrupt:
        message = (
            f"It goes on; `tally answers {prediction_id} -o answers.csv` saves its table, "
            f"`tally cancel {prediction_id}` ends it."
        )
        raise Interrupted(message) from None


def _save(
    client: Client, prediction_id: str, output: Path, abstain_below: float | None, as_json: bool
) -> None:
    table = client.prediction_csv(prediction_id, abstain_below)
    write_file(output, table)
    if as_json:
        print_json({"prediction_id": prediction_id, "path": str(output)})
    else:
        say(f"{output}: {len(table):,} bytes, prediction {prediction_id}")


@contextmanager
def _as_zip(pictures: Path) -> Iterator[Path]:
    """The ZIP itself, or one of all files of the folder, for as long as it is sent."""
    if pictures.is_file():
        yield pictures
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{pictures.name}{_ZIP}"
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(one for one in pictures.rglob("*") if one.is_file()):
                archive.write(file, file.relative_to(pictures).as_posix())
        yield path


def _cells(answer: Json) -> list[object]:
    if answer["count"] is None:
        return ["–", f"{answer['text']} ({answer['explanation']})"]
    return [answer["count"], answer["text"]]
