"""`tally metrics` and `samples`: what the steps of a job measured, and what the model said."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from tally.cli.answers import Json
from tally.cli.commands.context import AsJson, JobId, open_client
from tally.cli.commands.identifiers import job_id_of
from tally.cli.errors import CliError
from tally.cli.files import make_folder
from tally.cli.show.output import print_json, print_table, say
from tally.text.sinks import to_line

_COLUMNS = {
    "step": "step",
    "reward": "reward_mean",
    "exact": "exact_rate",
    "median error": "median_absolute_count_error",
    "far off": "far_off_rate",
    "entropy": "entropy",
    "kl": "kl",
    "loss": "loss",
    "rollout s": "rollout_seconds",
    "learning s": "learning_seconds",
    "step s": "step_seconds",
}


def metrics(
    context: typer.Context,
    job_id: JobId,
    *,
    last: Annotated[int, typer.Option(min=1, help="Steps to show, the latest.")] = 20,
    curves: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Draw the curves into this PNG.")
    ] = None,
    held_out: Annotated[
        bool,
        typer.Option("--held-out", help="How what is held out was answered, by evaluation_steps."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what the steps of a job measured; with --json all of it."""
    with open_client(context) as client:
        job_id = job_id_of(client, job_id)
        found = client.metrics(job_id)
    if held_out:
        _show_held_out(found["evaluations"], last, as_json)
        return
    steps: Sequence[Json] = found["steps"]
    if curves is not None:
        _draw(steps, curves, job_id)
    if as_json:
        print_json(steps)
        return
    shown = steps[-last:]
    parts = _parts(shown)
    rows = [
        [_figure(step.get(name)) for name in _COLUMNS.values()]
        + [_figure(step.get(metric, {}).get(name)) for metric, name in parts]
        for step in shown
    ]
    print_table([*_COLUMNS, *(name for _, name in parts)], rows)


def samples(
    context: typer.Context,
    job_id: JobId,
    steps: Annotated[int, typer.Option(min=1, max=100, help="Steps to show at most.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Show what the model said in the latest steps, each answer with its count and reward."""
    with open_client(context) as client:
        job_id = job_id_of(client, job_id)
        answer = client.samples(job_id, steps)
    if as_json:
        print_json(answer)
        return
    for step in answer["steps"]:
        say(f"step {step['step']}")
        for group in step["groups"]:
            _say_group(group)


def _parts(steps: Sequence[Json]) -> list[tuple[str, str]]:
    """What is measured by name, as metric and name, where there is more than one name."""
    names: dict[str, dict[str, None]] = {}
    for step in steps:
        for metric, figure in step.items():
            if isinstance(figure, dict):
                names.setdefault(metric, {}).update(dict.fromkeys(figure))
    return [(metric, name) for metric, found in names.items() for name in found if len(found) > 1]


def _say_group(group: Json) -> None:
    asked = to_line(group["question"])
    say(f"  row {group['row']}: {asked} (true count {group['true_count']})")
    for given in group["answers"]:
        count = "–" if given["count"] is None else given["count"]
        reward = _figure(given["reward"]) or "–"
        say(f"    {count:>5}  reward {reward:>6}  {to_line(given['text'])}")


def _show_held_out(evaluations: Sequence[Json], last: int, as_json: bool) -> None:
    if as_json:
        print_json(evaluations)
        return
    columns = ["step", "exact", "from", "to", "median error", "n", "best so far"]
    print_table(columns, [_scores_row(scored) for scored in evaluations[-last:]])


def _scores_row(scored: Json) -> list[object]:
    ends = scored["intervals"]["exact_rate"] or [None, None]
    figures = [scored["exact_rate"], *ends, scored["median_absolute_count_error"]]
    best = "yes" if scored["is_best"] else None
    return [scored["step"], *map(_figure, figures), scored["num_samples"], best]


def _draw(steps: Sequence[Json], path: Path, job_id: str) -> None:
    if not steps:
        raise CliError(f"Job {job_id} has done no step yet, so there is nothing to draw.")
    # matplotlib takes a second to import.
    from tally.cli.show.curves import draw_curves  # noqa: PLC0415

    make_folder(path.parent)
    draw_curves(steps, path, title=f"{len(steps)} steps of {job_id}")


def _figure(value: Any) -> str | None:
    return f"{value:.4g}" if isinstance(value, float) else None if value is None else str(value)
