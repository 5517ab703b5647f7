"""`tally preflight`: what a training would do, before there is one."""

from typing import Annotated

import typer

from tally.cli.answers import Json
from tally.cli.commands.completion import complete_file_id
from tally.cli.commands.context import AsJson, open_client
from tally.cli.commands.train_request import (
    Adapter,
    Config,
    Evaluate,
    Name,
    Preset,
    Set,
    as_options,
    build_request,
)
from tally.cli.durations import describe_duration
from tally.cli.show.bars import show_waiting
from tally.cli.show.output import print_json, print_table, say

_GIB = 2**30
_MOST_SHOWN = 12


def preflight(
    context: typer.Context,
    data: Annotated[
        str,
        typer.Argument(
            metavar="FILE_ID|ZIP",
            help="What would be trained on.",
            autocompletion=complete_file_id,
        ),
    ],
    *,
    name: Name = None,
    preset: Preset = None,
    config: Config = None,
    settings: Set = None,
    evaluate: Evaluate = None,
    adapter: Adapter = None,
    strict: Annotated[bool, typer.Option("--strict", help="A warning also ends with 1.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what such a training would do, and start none; ends with 1 where it would fail."""
    with open_client(context) as client:
        request = build_request(
            client,
            data=data,
            evaluate=evaluate,
            name=name,
            preset=preset,
            config=config,
            settings=settings,
            adapter=adapter,
        )
        with show_waiting("Asking the model about a sample"):
            found = client.preflight(request)
    if as_json:
        print_json(found)
    else:
        _print(found)
    warned = any(finding["severity"] == "warning" for finding in found["findings"])
    if not found["ok"] or (strict and warned):
        raise typer.Exit(1)


def _print(found: Json) -> None:
    print_table(["", "what would be"], [list(row) for row in _facts(found) if row[1]])
    if example := found.get("prompt_example"):
        say(f"--- the prompt of a row\n{example}\n---")
    for finding in found["findings"]:
        say(f"{finding['severity']}: {finding['where']}: {finding['message']}")
        if finding["suggestion"]:
            say(f"  what fits: {as_options(finding['suggestion'])}")
    say("Such a job can start." if found["ok"] else "Such a job would fail.")


def _facts(found: Json) -> list[tuple[str, str]]:
    data, steps = found["data"], found["steps"]
    rows = (
        f"{data['rows']} on {data['images']} images; {data['training_rows']} to train on, "
        f"{data['held_out_rows']} held out"
    )
    planned = (
        f"{steps['total_steps']} in all, {steps['steps_per_epoch']} an epoch, "
        f"{steps['completions_per_step']} answers each"
    )
    return [
        ("rows", rows),
        ("true counts", _list_rows([(one["count"], one["rows"]) for one in data["counts"]])),
        ("objects", _list_rows([(one["kind"], one["rows"]) for one in data["kinds"]])),
        ("base model", _base(found["base"])),
        ("steps", planned),
        ("memory", _memory(found["memory"])),
        ("memory of a replica", _memory(found.get("replica_memory"))),
        ("time", _time(found["time"])),
    ]


def _list_rows(parts: list[tuple[object, int]]) -> str:
    """'1 (412 rows), 2 (88 rows)', cut after a dozen."""
    shown = ", ".join(f"{label} ({rows})" for label, rows in parts[:_MOST_SHOWN])
    more = len(parts) - _MOST_SHOWN
    return f"{shown}, {more} more" if more > 0 else shown


def _base(base: Json | None) -> str:
    if base is None:
        return "was not asked"
    figures = {
        "exact": base["exact_rate"],
        "within one": base["within_one_rate"],
        "median error": base["median_absolute_count_error"],
        "no count": base["parse_failure_rate"],
        "groups that teach": base["varied_group_rate"],
        "groups with a right answer": base["any_right_rate"],
    }
    said = [f"{label} {value:.2f}" for label, value in figures.items() if value is not None]
    return f"{', '.join(said)}; n={base['num_samples']}"


def _memory(memory: Json | None) -> str:
    """Empty where there is none."""
    if memory is None:
        return ""
    available = memory["available_bytes"]
    of = f" of {available / _GIB:.1f}" if available else ""
    parts = ", ".join(f"{name} {size / _GIB:.1f}" for name, size in memory["parts"].items())
    return f"{memory['estimated_bytes'] / _GIB:.1f}{of} GiB on {memory['device']}: {parts}"


def _time(time: Json | None) -> str:
    if time is None:
        return "nothing to estimate it by"
    each = f"{time['seconds_per_step']:.1f} s a step"
    return f"{describe_duration(time['seconds'])}, {each}, by {time['basis']}"
