"""A small model of a family: packed groups beside transformers and PEFT, one by one.

With the learner's own last layer, LoRA layers and vision tower on one side. In float32 the two must
be equal; in bfloat16 ours may be no further from float32 than theirs is.
"""

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.exactness import (
    draw_groups,
    load_policy,
    load_with_peft,
    lora_gradients,
    packed_logps,
    relative_difference,
    single_logps,
)
from bench.gpu.row import RowContext
from tally.families.registry import FAMILIES
from tally.samples.small_models import save_small_model

_LOGP_BOUND, _GRADIENT_BOUND = 1e-5, 1e-4
# 4-bit weights are unpacked by other kernels on the two sides, and rounded once more.
_NF4_LOGP_BOUND, _NF4_GRADIENT_BOUND = 1e-4, 1e-3
# How much further from float32 than transformers itself rounding may take us.
_ROUNDING_FACTOR = 1.5


@dataclass(frozen=True, kw_only=True)
class Sides:
    """Log-probabilities of all completions' tokens, and LoRA gradients, of both sides."""

    logps: Tensor
    gradients: Tensor
    peft_logps: Tensor
    peft_gradients: Tensor


def measure(context: RowContext) -> None:
    # Products of float32 in TF32 would be no float32.
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    folder = context.work / f"small-{context.argument}"
    save_small_model(context.argument, folder)
    exact = _both_sides(context, folder, dtype=torch.float32)
    failures = [
        _note_equal(context, "float32", exact, _LOGP_BOUND, _GRADIENT_BOUND),
        _note_rounding(context, exact, _both_sides(context, folder, dtype=torch.bfloat16)),
        _measure_nf4(context, folder),
    ]
    if said := [failure for failure in failures if failure]:
        raise SystemExit("not exact: " + "; ".join(said))


def _both_sides(context: RowContext, folder: Path, **options: Any) -> Sides:
    """`options`: dtype, and quantization_config for transformers' side."""
    quantization = options.get("quantization_config")
    policy = load_policy(
        folder,
        device=context.device,
        dtype=options["dtype"],
        use_4bit=quantization is not None,
    )
    policy.model.eval()
    groups, images = draw_groups(policy)
    logps = packed_logps(policy, groups, images)
    gradients = lora_gradients(policy.model, logps)
    with tempfile.TemporaryDirectory() as adapter:
        model = load_with_peft(policy, folder, Path(adapter), **options)
    if quantization:
        # On some CPUs bitsandbytes computes in bfloat16 where a layer neither trains nor learns.
        model.train()
    peft_logps = single_logps(policy, model, groups, images)
    return Sides(
        logps=logps.detach(),
        gradients=gradients,
        peft_logps=peft_logps.detach(),
        peft_gradients=lora_gradients(model, peft_logps),
    )


def _note_equal(
    context: RowContext, case: str, sides: Sides, logp_bound: float, gradient_bound: float
) -> str:
    """→ what is wrong, empty where nothing is."""
    logps = float((sides.logps - sides.peft_logps).abs().max())
    gradients = relative_difference(sides.gradients, sides.peft_gradients)
    # One that is not a number is within no bound.
    holds = logps < logp_bound and gradients < gradient_bound
    context.note(
        case,
        f"log-probabilities within {logps:.1e} (bound {logp_bound:.0e}), "
        f"gradients within {gradients:.1e} (bound {gradient_bound:.0e})",
        logps=logps,
        gradients=gradients,
        holds=holds,
    )
    return "" if holds else case


def _note_rounding(context: RowContext, exact: Sides, rounded: Sides) -> str:
    ours = _distance(rounded.logps, exact.logps)
    theirs = _distance(rounded.peft_logps, exact.peft_logps)
    gradients = relative_difference(rounded.gradients, exact.gradients)
    peft_gradients = relative_difference(rounded.peft_gradients, exact.peft_gradients)
    holds = math.isfinite(ours) and ours <= _ROUNDING_FACTOR * theirs
    holds = holds and gradients <= _ROUNDING_FACTOR * peft_gradients
    context.note(
        "bfloat16",
        f"from float32: log-probabilities {ours:.1e}, PEFT's {theirs:.1e}; "
        f"gradients {gradients:.1e}, PEFT's {peft_gradients:.1e}",
        logps=ours,
        peft_logps=theirs,
        gradients=gradients,
        peft_gradients=peft_gradients,
        holds=holds,
    )
    return "" if holds else "bfloat16"


def _measure_nf4(context: RowContext, folder: Path) -> str:
    try:
        import bitsandbytes  # noqa: F401, PLC0415
    except ImportError:
        context.note("NF4", "not measured: bitsandbytes is not installed")
        return ""
    dtype = torch.float32
    quantization = FAMILIES[context.argument].nf4(dtype)
    sides = _both_sides(context, folder, dtype=dtype, quantization_config=quantization)
    return _note_equal(context, "NF4", sides, _NF4_LOGP_BOUND, _NF4_GRADIENT_BOUND)


def _distance(one: Tensor, other: Tensor) -> float:
    """The mean over tokens, in nats."""
    return float((one.float() - other.float()).abs().mean())
