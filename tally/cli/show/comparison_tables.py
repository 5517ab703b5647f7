"""A comparison of base and adapter, as tables for people."""

from tally.cli.answers import Json
from tally.cli.show.output import print_table, say

_FIGURES = {
    "exact rate": "exact_rate",
    "within one": "within_one_rate",
    "median error": "median_absolute_count_error",
    "mean error": "mean_absolute_count_error",
    "root mean square error": "root_mean_square_count_error",
    "more than 5 off": "far_off_rate",
    "reward": "reward_mean",
    "no count": "parse_failure_rate",
}
_ERROR = "expected_calibration_error"
_MODELS = ("base", "adapter")
_NONE = "–"


def print_comparison(evaluation: Json) -> None:
    """The figures with their intervals, and what should be known before they are believed."""
    columns = ["base", "adapter", "difference"]
    known = [name for name in columns if name in evaluation]
    print_table([f"n={evaluation['num_samples']}", *known], figure_rows(evaluation))
    if method := evaluation.get("interval"):
        sure, times = method["confidence"], method["resamples"]
        say(f"Intervals: {sure:.0%}; of rates Wilson's, of their differences Newcombe's.")
        say(f"Of the others: paired bootstrap over images, {times:,} resamples.")
    if calibration := evaluation.get("calibration"):
        print_table(
            ["calibration", "base", "adapter"],
            [["expected error", *(_cell(calibration[model], _ERROR) for model in _MODELS)]],
        )
    for warning in evaluation.get("warnings") or []:
        say(f"warning: {warning}")


def print_details(evaluation: Json) -> None:
    """By count and kind, how often each answer was given, and the worst samples."""
    _print_parts("true count", evaluation["by_count"])
    _print_parts("objects", evaluation["by_kind"])
    matrix = evaluation["matrix"]
    for model in _MODELS:
        rows = zip(matrix["true_labels"], matrix[model], strict=True)
        _gap(f"Answers of {model}, a row for each true count")
        print_table(["", *matrix["answer_labels"]], [[label, *row] for label, row in rows])
    for model, calibration in (evaluation.get("calibration") or {}).items():
        _print_calibration(model, calibration)
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
    columns = [heading, "n", "exact: base", "adapter", "median error: base", "adapter"]
    names = ("exact_rate", "median_absolute_count_error")
    rows = [
        [
            part["label"],
            part["num_samples"],
            *(_cell(part[model], name) for name in names for model in _MODELS),
        ]
        for part in parts
    ]
    print_table(columns, rows)


def _print_calibration(model: str, calibration: Json) -> None:
    _gap(f"Answers of {model} by their probability")
    bins = [
        [f"{one['from_probability']:.1f}–{one['to_probability']:.1f}", one["num_answers"]]
        + [_cell(one, name) for name in ("mean_probability", "exact_rate")]
        for one in calibration["bins"]
    ]
    print_table(["probability", "answers", "mean", "exact rate"], bins)
    names = ("abstain_below", "answered_rate", "exact_rate")
    bounds = [[_cell(one, name) for name in names] for one in calibration["abstention"]]
    print_table(["left out below", "rows with a count", "exact rate"], bounds)


def _worst(sample: Json) -> list[object]:
    counts = (sample[model]["count"] for model in _MODELS)
    shown = [_NONE if count is None else count for count in counts]
    question, answer = sample["question"], sample["adapter"]["text"]
    return [sample["row"], sample["true_count"], *shown, question, answer]


def _gap(heading: str) -> None:
    say(f"\n{heading}")


def _cell(scores: Json, name: str, *, signed: bool = False) -> str:
    """'0.55 [0.46, 0.64]'; the sign is written where it is the point."""
    value = scores.get(name)
    if value is None:
        return _NONE
    form = "+z.2f" if signed else "z.2f"
    interval = scores.get("intervals", {}).get(name)
    if interval is None:
        return f"{value:{form}}"
    low, high = interval
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"
