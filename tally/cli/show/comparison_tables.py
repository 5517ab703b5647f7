"""A comparison of base and adapter, as tables for people."""

from tally.cli.client.api_client import Json
from tally.cli.show.output import print_table, say

_FIGURES = {
    "exact rate": "exact_rate",
    "within one": "within_one_rate",
    "mean error": "mean_absolute_count_error",
    "root mean square error": "root_mean_square_count_error",
    "reward": "reward_mean",
    "no count": "parse_failure_rate",
}
_ERRORS = ("mean_absolute_count_error", "root_mean_square_count_error")
_NONE = "–"


def print_comparison(evaluation: Json) -> None:
    """The figures with their intervals, and what should be known before they are believed."""
    columns = ["base", "adapter", "difference"]
    known = [name for name in columns if name in evaluation]
    print_table([f"n={evaluation['num_samples']}", *known], figure_rows(evaluation))
    if method := evaluation.get("interval"):
        sure, times = method["confidence"], method["resamples"]
        say(f"Intervals: {sure:.0%}, paired bootstrap over images, {times:,} resamples.")
    for warning in evaluation.get("warnings") or []:
        say(f"warning: {warning}")


def print_details(evaluation: Json) -> None:
    """By count and kind, how often each answer was given, and the worst samples."""
    _print_parts("true count", evaluation["by_count"])
    _print_parts("objects", evaluation["by_kind"])
    matrix = evaluation["matrix"]
    for model in ("base", "adapter"):
        rows = zip(matrix["true_labels"], matrix[model], strict=True)
        _gap(f"Answers of {model}, a row for each true count")
        print_table(["", *matrix["answer_labels"]], [[label, *row] for label, row in rows])
    _gap("Where the adapter is furthest off")
    columns = ["row", "true count", "base", "adapter", "question", "adapter's answer"]
    print_table(columns, [_worst(sample) for sample in evaluation["worst"]])


def figure_rows(evaluation: Json) -> list[list[str]]:
    """A row for each figure that there is: its label, then a cell for each model."""
    models = [name for name in ("base", "adapter", "difference") if name in evaluation]
    return [
        [label, *(_cell(evaluation[model], name, signed=model == "difference") for model in models)]
        for label, name in _FIGURES.items()
        if name in evaluation["base"]
    ]


def _print_parts(heading: str, parts: list[Json]) -> None:
    _gap(f"By {heading}")
    columns = [heading, "n", "exact: base", "adapter", "mean error: base", "adapter"]
    names = ("exact_rate", "mean_absolute_count_error")
    rows = [
        [
            part["label"],
            part["num_samples"],
            *(_cell(part[model], name) for name in names for model in ("base", "adapter")),
        ]
        for part in parts
    ]
    print_table(columns, rows)


def _worst(sample: Json) -> list[object]:
    counts = (sample[model]["count"] for model in ("base", "adapter"))
    shown = [_NONE if count is None else count for count in counts]
    question, answer = sample["question"], sample["adapter"]["text"]
    return [sample["row"], sample["true_count"], *shown, question, answer]


def _gap(heading: str) -> None:
    say(f"\n{heading}")


def _cell(scores: Json, name: str, *, signed: bool = False) -> str:
    """'0.55 [0.46, 0.64]'; the sign is written where it is the point."""
    value = scores.get(name)
    if name in _ERRORS and scores.get("parse_failure_rate") == 1:
        value = None  # no answer held a count, so there is no error to take the mean of
    if value is None:
        return _NONE
    form = "+z.2f" if signed else "z.2f"
    interval = scores.get("intervals", {}).get(name)
    if interval is None:
        return f"{value:{form}}"
    low, high = interval
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"
