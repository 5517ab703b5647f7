"""How large each cluster is that is measured."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Scale:
    """`jobs` are sent at once; each takes one of the GPUs for `steps` steps."""

    jobs: int
    gpus: int
    replicas: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    scales: tuple[Scale, ...] = (
        Scale(jobs=25, gpus=16, replicas=125),
        Scale(jobs=50, gpus=32, replicas=250),
        Scale(jobs=100, gpus=64, replicas=500),
    )
    steps: int = 10
    step_seconds: float = 4.0
    groups_per_replica: int = 2
    adapter_bytes: int = 1_000_000
    waiting_jobs: tuple[int, ...] = (100, 1_000, 10_000)


QUICK = Plan(
    scales=(Scale(jobs=3, gpus=2, replicas=4), Scale(jobs=6, gpus=4, replicas=8)),
    steps=3,
    step_seconds=0.05,
    adapter_bytes=50_000,
    waiting_jobs=(10, 100),
)
