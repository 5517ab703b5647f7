"""What is told of learning curves: where they end, when they reach a goal, how they compare."""

from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any

from bench.curve_sides import TRL, samples_per_step
from bench.curve_tasks import Task
from bench.curves import Point, difference, first_at, gain_goals, plateau
from bench.report import print_table

_NEVER = float("inf")


class Report:
    """Takes runs, prints tables; seconds and their ratios only where runs were `timed`."""

    def __init__(self, task: Task, seeds: Sequence[int], *, timed: bool) -> None:
        self._task = task
        self._seeds = seeds
        self._timed = timed
        # By what was asked about and by side: a run of each seed.
        self._runs: dict[str, dict[str, list[list[Point]]]] = {part: {} for part in task.held_out}

    def add(self, side: str, curves: Mapping[str, list[Point]]) -> None:
        for part, run in curves.items():
            self._runs[part].setdefault(side, []).append(run)

    def print(self) -> dict[str, Any]:
        """→ the figures of each part."""
        return {part: self._print_part(part, sides) for part, sides in self._runs.items()}

    def _print_part(self, part: str, sides: dict[str, list[list[Point]]]) -> dict[str, Any]:
        goals = {f"{self._task.goal}": self._task.goal} if self._task.goal else {}
        figures: dict[str, Any] = {"base": sides[TRL][0][0].exact_rate}
        if not goals:
            goals = gain_goals(list(sides.values()))
            figures["plateaus"] = _print_plateaus(part, sides)
        figures["goals"] = {
            name: self._print_goal(f"{part}, {name}", rate, sides) for name, rate in goals.items()
        }
        figures["curves"] = {
            side: self._print_curves(f"{part}, steps", side, runs, sides[TRL])
            for side, runs in sides.items()
            if side != TRL
        }
        return figures

    def _print_goal(
        self, label: str, rate: float, sides: dict[str, list[list[Point]]]
    ) -> dict[str, Any]:
        """Samples and seconds of each seed until `rate`, infinite where it wasn't reached."""
        reached = {
            side: [first_at(run, rate, neighbours=self._task.neighbours) for run in runs]
            for side, runs in sides.items()
        }
        samples = {
            side: [point.step * samples_per_step(side) if point else _NEVER for point in points]
            for side, points in reached.items()
        }
        seeds = [f"seed {seed}" for seed in self._seeds]
        print_table([f"{label} ({rate:.3f}): samples", *seeds], _rows(samples))
        figures: dict[str, Any] = {"rate": rate, "samples": samples}
        if self._timed:
            seconds = {
                side: [point.seconds if point else _NEVER for point in points]
                for side, points in reached.items()
            }
            ratios = _ratios(seconds)
            print_table([f"{label} ({rate:.3f}): s", *seeds], _rows(seconds) + _rows(ratios))
            figures["seconds"] = seconds
            figures["ratios"] = {name: median(of) for name, of in ratios.items()}
        return figures

    def _print_curves(
        self, label: str, side: str, runs: list[list[Point]], trl: list[list[Point]]
    ) -> dict[str, Any]:
        rows: list[list[float]] = []
        examinations = len(runs[0]) - 1
        for number, point in enumerate(runs[0][1:], 1):
            ours, theirs = [run[number] for run in runs], [run[number] for run in trl]
            rates = [fmean(p.exact_rate for p in points) for points in (ours, theirs)]
            seconds = [fmean(p.seconds for p in points) for points in (ours, theirs)]
            compared = difference(ours, theirs, examinations)
            rows.append([point.step, *rates, *compared, *(seconds if self._timed else [])])
        columns = [f"{side} exact", "TRL exact", "difference", "noise"]
        columns += [f"{side} s", "TRL s"] if self._timed else []
        print_table([label, *columns], rows)
        return {
            "never_below": all(ahead + noise >= 0 for _, _, _, ahead, noise, *_ in rows),
            "curve": dict(zip(["steps", *columns], zip(*rows, strict=True), strict=True)),
        }


def _print_plateaus(part: str, sides: dict[str, list[list[Point]]]) -> dict[str, Any]:
    """The base's rate, that of the last quarter, how much more that is than the quarter before it,
    and how far it lies above TRL's."""
    trl = [plateau(run) for run in sides[TRL]]
    columns = ["base", "plateau", "still rising by", "above TRL", "noise"]
    figures = {}
    for side, runs in sides.items():
        ends = [plateau(run) for run in runs]
        rate = fmean(end.exact_rate for end in ends)
        earlier = fmean(plateau(run, before=1).exact_rate for run in runs)
        base = fmean(run[0].exact_rate for run in runs)
        values = [base, rate, rate - earlier, *difference(ends, trl, len(sides) - 1)]
        figures[side] = dict(zip(columns, values, strict=True))
    print_table([part, *columns], [[side, *of.values()] for side, of in figures.items()])
    return figures


def _ratios(seconds: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """TRL's seconds over each side's, seed by seed."""
    return {
        f"{TRL} / {side}": [trl / own for own, trl in zip(of, seconds[TRL], strict=True)]
        for side, of in seconds.items()
        if side != TRL
    }


def _rows(of: Mapping[str, list[float]]) -> list[list[object]]:
    return [[name, *values] for name, values in of.items()]
