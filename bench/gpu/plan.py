"""The rows of a day in the order of their worth, and what each needs."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tally.families.registry import FAMILIES

# What a policy, a step and the services import beyond torch, transformers and PEFT.
_LEARNER = ("pydantic", "accelerate")
_STACK = (*_LEARNER, "pydantic_settings", "grpc_health", "grpc_reflection", "httpx")
_TRL = ("trl", "datasets", "torchvision")
_NF4 = ("bitsandbytes",)
_GATEWAY = ("fastapi", "uvicorn", "sqlmodel", "alembic", "python_multipart", "matplotlib", "typer")
_PATIENCE = 5  # a rehearsal's bounds over a day's


@dataclass(frozen=True, kw_only=True)
class Row:
    """A measurement: `module` of bench.gpu.rows, with `argument`.

    It begins only where `least_seconds` of the day are left, and is ended at `bound_seconds`.
    """

    name: str
    module: str
    argument: str = ""
    needs: tuple[str, ...] = ()
    least_seconds: float = 30
    bound_seconds: float = 180


def plan(families: Iterable[str] = FAMILIES) -> list[Row]:
    """Exactness first: figures of a learner that is wrong on a card are worth nothing."""
    return [
        Row(name="machine", module="machine", least_seconds=20, bound_seconds=60),
        *(
            Row(name=f"exactness {name}", module="exactness", argument=name, needs=_LEARNER)
            for name in families
        ),
        *_learner_rows("bfloat16", ()),
        *_learner_rows("nf4", _NF4),
        Row(
            name="step, bfloat16",
            module="step",
            needs=_STACK,
            least_seconds=90,
            bound_seconds=300,
        ),
        Row(
            name="card of 8 GB",
            module="card",
            needs=(*_STACK, *_NF4),
            least_seconds=90,
            bound_seconds=420,
        ),
        Row(
            name="demo",
            module="demo",
            needs=(*_STACK, *_GATEWAY),
            least_seconds=60,
            bound_seconds=300,
        ),
    ]


def lengthen_bounds(rows: Iterable[Row]) -> list[Row]:
    """With longer bounds: whoever rehearses has no card, and perhaps other work beside it."""
    return [replace(row, bound_seconds=_PATIENCE * row.bound_seconds) for row in rows]


def _learner_rows(precision: str, needs: tuple[str, ...]) -> list[Row]:
    """Ours alone, so that it stands whatever becomes of TRL's; then both in turn."""
    alone = Row(
        name=f"learner, {precision}",
        module="learner",
        argument=precision,
        needs=(*_LEARNER, *needs),
        least_seconds=60,
        bound_seconds=240,
    )
    beside = Row(
        name=f"learner beside TRL, {precision}",
        module="beside_trl",
        argument=precision,
        needs=(*_LEARNER, *needs, *_TRL),
        least_seconds=90,
        bound_seconds=300,
    )
    return [alone, beside]
