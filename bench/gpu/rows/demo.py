"""`tally demo` on the card, with the torch engine: its last line."""

from bench.demo import run_demo
from bench.gpu.row import RowContext


def measure(context: RowContext) -> None:
    demo = run_demo(context.work / "demo-output", "--engine=transformers")
    context.note(
        "held-out exact rate",
        f"base {demo.base}, adapter {demo.adapter}, n={demo.examples}, in {demo.seconds:.0f} s",
        base=demo.base,
        adapter=demo.adapter,
        examples=demo.examples,
        demo_seconds=demo.seconds,
    )
