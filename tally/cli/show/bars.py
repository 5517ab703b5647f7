"""Bars for what takes a while, on standard error; none where that is no terminal."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    Task,
    TimeRemainingColumn,
)
from rich.text import Text

from tally.cli.show.output import error_console
from tally.client import Client
from tally.client.partial_file import Checkpoint, Form
from tally.text.sinks import to_line


@contextmanager
def open_with_bar(path: Path) -> Iterator[BinaryIO]:
    """A file to send, with a bar that goes on as it is read."""
    with (
        _bar(_Sending()) as progress,
        progress.open(path, "rb", description=path.name) as file,
    ):
        yield file


def download_with_bar(
    client: Client,
    job_id: str,
    path: Path,
    checkpoint: Checkpoint = "last",
    form: Form = "adapter",
) -> None:
    with _bar() as progress:
        task = progress.add_task("download", total=None)
        client.download(
            job_id,
            path,
            lambda had, total: progress.update(task, completed=had, total=total),
            checkpoint=checkpoint,
            form=form,
        )


def show_waiting(text: str) -> AbstractContextManager[Any]:
    """A sign of life for what has no measure."""
    return error_console.status(text) if error_console.is_terminal else nullcontext()


class _Sending(ProgressColumn):
    """What goes on: once the last byte is sent, the gateway still checks the file."""

    def render(self, task: Task) -> Text:
        doing = "Checking" if task.finished else "Sending"
        return Text(to_line(f"{doing} {task.description}"))


def _bar(*columns: ProgressColumn) -> Progress:
    return Progress(
        *columns,
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=error_console,
        transient=True,
        disable=not error_console.is_terminal,
    )
