"""What something takes; two or more sides of a claim in turn, so that drift meets them alike."""

import time
from collections.abc import Callable, Mapping
from statistics import median


def seconds(action: Callable[[], object], device: str = "cpu") -> float:
    """How long `action` takes, with what it leaves to a card where `device` is cuda."""
    started = time.perf_counter()
    action()
    if device == "cuda":
        import torch  # noqa: PLC0415 - most sides of most benches have no need of it

        torch.cuda.synchronize()
    return time.perf_counter() - started


def cpu_seconds(action: Callable[[], object], repeats: int = 3) -> float:
    """The least CPU time of several goes."""
    times = []
    for _ in range(repeats):
        started = time.process_time()
        action()
        times.append(time.process_time() - started)
    return min(times)


def in_turn(
    sides: Mapping[str, Callable[[], float]], repeats: int, warm_ups: int = 1
) -> dict[str, list[float]]:
    """Figures of every side, A B A B …; each call of a side gives one. Warm-ups don't count."""
    figures: dict[str, list[float]] = {name: [] for name in sides}
    for repeat in range(-warm_ups, repeats):
        for name, measure in sides.items():
            figure = measure()
            if repeat >= 0:
                figures[name].append(figure)
    return figures


def median_ratio(numerators: list[float], denominators: list[float]) -> float:
    """The median of the ratios, pair by pair in the order of measuring."""
    return median(a / b for a, b in zip(numerators, denominators, strict=True))
