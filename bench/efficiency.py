"""How much of the machine's matrix product the learner's step reaches.

    python -m bench.efficiency [--quick] [--policy small medium 3b] [--device cpu|cuda] …

Counted is what a step of one group must compute, each token once: the frozen weights' products
forward and backward to activations, LoRA's products forward and backward, causal attention, and
the head where a token is predicted. Not counted are norms, activations, rotations, the optimizer,
and anything computed twice. The machine's rate is that of a large product in the same precision,
measured between the steps.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median

import torch

from bench.learner import COMPLETION_TOKENS, Case, tally_side
from bench.measure import in_turn, seconds
from bench.models import SHAPES, Shape, policy_folder
from bench.report import options, print_json, print_table
from bench.tally_side import TallySide
from learner_service.grpo.forward_pass import ForwardPass
from learner_service.policy.packing import GroupSpan, pack


def step_flops(shape: Shape, spans: tuple[GroupSpan, ...], vocab_size: int, lora_r: int) -> float:
    """Floating-point operations that a step over these groups must make."""
    tokens = sum(span.end - span.start for span in spans)
    predicting = sum(span.end - span.prompt_end + 1 for span in spans)
    flops = 0.0
    for inputs, outputs, needs_all in _products(shape):
        # The last layer's queries, output and feed-forward network are read by few tokens.
        rows = tokens * (shape.layers - 1) + (tokens if needs_all else predicting)
        flops += rows * (4 * inputs * outputs + 6 * lora_r * (inputs + outputs))
    # Nothing before the first layer wants a gradient: no backward through its q, k and v.
    first = shape.hidden_size * sum(_qkv_sizes(shape)) + lora_r * 3 * shape.hidden_size
    flops -= 2 * tokens * first
    flops += 4 * predicting * shape.hidden_size * vocab_size
    return flops + _attention_flops(shape, spans)


def _qkv_sizes(shape: Shape) -> tuple[int, int, int]:
    shared = shape.hidden_size // shape.heads * shape.key_value_heads
    return shape.hidden_size, shared, shared


def _products(shape: Shape) -> list[tuple[int, int, bool]]:
    """Inputs and outputs of a layer's products, and whether the last layer needs all tokens."""
    hidden, inner = shape.hidden_size, shape.intermediate_size
    query, key, value = _qkv_sizes(shape)
    return [
        (hidden, query, False),
        (hidden, key, True),
        (hidden, value, True),
        (hidden, hidden, False),
        (hidden, inner, False),
        (hidden, inner, False),
        (inner, hidden, False),
    ]


def _attention_flops(shape: Shape, spans: tuple[GroupSpan, ...]) -> float:
    """Two products forward, four backward, over the pairs of query and key that see each other."""
    flops = 0.0
    for span in spans:
        prompt = span.prompt_end - span.start
        seen: list[int] = []  # by each token of the completions, itself among them
        for parent in span.parents:
            seen.append(1 + (prompt if parent < 0 else seen[parent]))
        completions = sum(seen)
        pairs = (shape.layers - 1) * (prompt * (prompt + 1) / 2 + completions)
        flops += 12 * shape.hidden_size * (pairs + prompt + completions)
    return flops


def matrix_rate(dtype: torch.dtype, device: str) -> float:
    """Floating-point operations per second of one large matrix product."""
    side = 8192 if device == "cuda" else 2048
    left, right = torch.randn(2, side, side, device=device).to(dtype)

    return 2 * side**3 / seconds(lambda: left @ right, device)


def measure(case: Case, folder: Path, repeats: int) -> dict[str, float]:
    """The figures of a later step of our learner on the policy in `folder`."""
    tally = tally_side(case, folder)
    return measure_share(case, tally, tally.forward_pass(*case.batch()), repeats)


def measure_share(
    case: Case, tally: TallySide, forward_pass: ForwardPass, repeats: int
) -> dict[str, float]:
    """What a step computes, how long it takes, and its share of the machine's matrix product."""
    spans = pack(forward_pass.groups).spans
    dtype = getattr(torch, case.dtype)
    figures = in_turn(
        {
            "seconds": lambda: seconds(lambda: tally.learn(forward_pass), case.device),
            "rate": lambda: max(matrix_rate(dtype, case.device) for _ in range(3)),
        },
        repeats,
        warm_ups=2,
    )
    vocab_size = len(tally.policy.head_V_H)
    flops = step_flops(SHAPES[case.policy], spans, vocab_size, tally.settings.lora_r)
    step_seconds, rate = median(figures["seconds"]), median(figures["rate"])
    return {
        "step_gflop": flops / 1e9,
        "step_seconds": step_seconds,
        "floor_seconds": flops / rate,
        "machine_gflop_per_second": rate / 1e9,
        "share": flops / rate / step_seconds,
    }


def main() -> None:
    arguments = _parse_arguments()
    folder = Path(tempfile.mkdtemp())
    figures = {}
    for policy in arguments.policy:
        policy_folder(policy, folder / policy)
        case = Case(
            policy=policy,
            side_pixels=504,
            num_generations=8,
            prompts=arguments.prompts,
            dtype=arguments.dtype,
            device=arguments.device,
        )
        figures[policy] = measure(case, folder, 3 if arguments.quick else arguments.repeats)
    names = ["GFLOP", "step s", "floor s", "GFLOP/s", "share"]
    print_table(["504 px, G = 8", *names], [[p, *f.values()] for p, f in figures.items()])
    settings = {"completion_tokens": COMPLETION_TOKENS, "prompts": arguments.prompts}
    print_json("efficiency", settings | {"dtype": arguments.dtype}, figures)


def _parse_arguments() -> argparse.Namespace:
    parser = options("the learner's share of the machine's matrix product")
    parser.add_argument("--policy", nargs="+", default=["small", "medium"], choices=list(SHAPES))
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--prompts", type=int, default=1, help="groups in one forward pass")
    parser.add_argument("--repeats", type=int, default=9)
    return parser.parse_args()


if __name__ == "__main__":
    main()
