"""The real queue, gateway and blob store at the size of a cluster, with workers and replicas that
only wait: what a job, an event, a replica and an adapter cost, and whether that stays so."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from bench.cluster import adapters, jobs, replicas
from bench.cluster.decisions import milliseconds_per_decision
from bench.cluster.plan import QUICK, Plan
from bench.report import options, print_json, print_table


def main() -> None:
    parser = options(" ".join((__doc__ or "").split()))
    plan = QUICK if parser.parse_args().quick else Plan()
    sizes = [replicas.measure(scale.replicas, plan) for scale in plan.scales]
    fetches = [adapters.measure(scale.replicas, plan) for scale in plan.scales]
    runs = [jobs.measure(scale, plan) for scale in plan.scales]
    decisions = {number: milliseconds_per_decision(number) for number in plan.waiting_jobs}
    _print_figures("jobs, GPUs", [f"{s.jobs}, {s.gpus}" for s in plan.scales], runs)
    _print_figures("replicas", [str(scale.replicas) for scale in plan.scales], sizes)
    _print_figures("replicas that fetch", [str(scale.replicas) for scale in plan.scales], fetches)
    print_table(
        ["jobs that wait", "ms to decide", "µs a job"],
        [[number, spent, 1e3 * spent / number] for number, spent in decisions.items()],
    )
    figures = {
        "jobs": [asdict(one) for one in runs],
        "replicas": [asdict(one) for one in sizes],
        "adapters": [asdict(one) for one in fetches],
        "decision_milliseconds": decisions,
    }
    print_json("cluster", asdict(plan), figures)


def _print_figures(what: str, names: Sequence[str], figures: Sequence[Any]) -> None:
    rows = [asdict(one) for one in figures]
    columns = [name.replace("_", " ") for name in rows[0]]
    values = [[name, *row.values()] for name, row in zip(names, rows, strict=True)]
    print_table([what, *columns], values)


if __name__ == "__main__":
    main()
