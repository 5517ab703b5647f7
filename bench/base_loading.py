"""A base model as it comes into memory: transformers' own way, Tally's, and from what is kept.

`python -m bench.base_loading FOLDER`: seconds, and the most memory of the process beyond what its
libraries take. Each row is a process of its own. Anonymous memory is the process's alone; pages of
files are the kernel's to share and to take back.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from transformers import AutoModelForImageTextToText

from bench.measure import in_turn, seconds
from bench.processes import memory_sizes
from bench.report import options, print_json, print_table, run_apart
from bench.watching import watching
from tally.families.registry import read_config
from tally.weights.base_loading import BaseLoading
from tally.weights.kept_bases import KeptBases

_WATCH_SECONDS = 0.005
_PACKED_SHAPE = (11_008, 2_048)  # the 3B model's largest matrices
_PACKED_TIMES = 5
_MOST_KEPT_BYTES = 10**12
_COLUMNS = ("way", "seconds", "held GiB", "peak GiB", "anonymous GiB", "files GiB")


@dataclass(frozen=True, kw_only=True)
class Figures:
    """`held_bytes` is what the model's tensors take; peaks are beyond what was taken before."""

    seconds: float
    held_bytes: int
    peak_bytes: int
    anonymous_bytes: int
    file_bytes: int


def measure(way: str, source: str, dtype: torch.dtype, kept: Path) -> Figures:
    """Loads in this process, which should have loaded nothing before."""
    # Its import takes memory, whichever way it is used.
    import bitsandbytes  # noqa: F401, PLC0415

    load = _ways(source, dtype, kept)[way]
    before = _resident()
    peak = dict(before)

    def look() -> None:
        peak.update({name: max(peak[name], held) for name, held in _resident().items()})

    with watching(look, _WATCH_SECONDS):
        began = time.monotonic()
        model = load()
        taken_seconds = time.monotonic() - began
    grown = {name: peak[name] - before[name] for name in before}
    return Figures(
        seconds=taken_seconds,
        held_bytes=_held_bytes(model),
        peak_bytes=grown["VmRSS"],
        anonymous_bytes=grown["RssAnon"],
        file_bytes=grown["RssFile"],
    )


def _ways(source: str, dtype: torch.dtype, kept: Path) -> dict[str, Callable[[], Any]]:
    _, family = read_config(source)
    loading = {"source": source, "device": "cpu", "dtype": dtype}

    def load_as_transformers(use_4bit: bool) -> Any:
        return AutoModelForImageTextToText.from_pretrained(
            source,
            dtype=dtype,
            device_map={"": "cpu"},
            quantization_config=family.nf4(dtype) if use_4bit else None,
        )

    def load(*, use_4bit: bool, keeps: bool = False) -> Any:
        bases = KeptBases(kept, _MOST_KEPT_BYTES) if keeps else None
        return BaseLoading(use_4bit=use_4bit, kept=bases, **loading).load(family)  # type: ignore[arg-type]

    return {
        "transformers": lambda: load_as_transformers(use_4bit=False),
        "tally": lambda: load(use_4bit=False),
        "transformers, 4 bits": lambda: load_as_transformers(use_4bit=True),
        "tally, 4 bits": lambda: load(use_4bit=True),
        "tally, 4 bits, to keep": lambda: load(use_4bit=True, keeps=True),
        "tally, 4 bits, kept": lambda: load(use_4bit=True, keeps=True),
    }


def packing_rates() -> dict[str, float]:
    """Millions of weights a second into NF4, in turn, on one thread."""
    from tally.weights import nf4_packing  # noqa: PLC0415 - it brings bitsandbytes

    torch.set_num_threads(1)
    weights = torch.randn(_PACKED_SHAPE).bfloat16()
    own = torch._C.DispatchKeySet(torch._C.DispatchKey.CompositeExplicitAutograd)
    operator = torch.ops.bitsandbytes.quantize_4bit.default
    taken = in_turn(
        {
            "bitsandbytes": lambda: seconds(
                lambda: operator.redispatch(own, weights, 64, "nf4", torch.uint8)
            ),
            "tally": lambda: seconds(lambda: nf4_packing.pack(weights)),
        },
        _PACKED_TIMES,
    )
    return {side: weights.numel() / 1e6 / median(times) for side, times in taken.items()}


def _held_bytes(model: torch.nn.Module) -> int:
    tensors = {tensor.data_ptr(): tensor for tensor in model.state_dict().values()}
    return sum(tensor.nbytes for tensor in tensors.values())


def _resident() -> dict[str, int]:
    """VmRSS and its parts, in bytes."""
    sizes = memory_sizes()
    return {name: sizes[name] for name in ("VmRSS", "RssAnon", "RssFile")}


def _measure_apart(way: str, source: str, dtype: str, kept: Path) -> Figures:
    chosen = [source, "--dtype", dtype, "--way", way, "--kept", str(kept)]
    return Figures(**run_apart("bench.base_loading", *chosen, threads=1))


def _row(way: str, figures: Figures) -> list[object]:
    sizes = (
        figures.held_bytes,
        figures.peak_bytes,
        figures.anonymous_bytes,
        figures.file_bytes,
    )
    return [way, figures.seconds, *(size / 1024**3 for size in sizes)]


def main(arguments: argparse.Namespace) -> None:
    source, dtype = arguments.source, arguments.dtype
    if arguments.way:
        figures = measure(arguments.way, source, getattr(torch, dtype), arguments.kept)
        print_json("base_loading", {"way": arguments.way}, asdict(figures))
        return
    with tempfile.TemporaryDirectory() as folder:
        ways = list(_ways(source, torch.float32, Path(folder)))
        ways = [way for way in ways if "4 bits" in way] if arguments.quick else ways
        found = {way: _measure_apart(way, source, dtype, Path(folder)) for way in ways}
    print_table(_COLUMNS, [_row(way, figures) for way, figures in found.items()])
    rates = packing_rates()
    print_table(("into NF4, on one thread", "10⁶ weights/s"), list(rates.items()))
    settings = {"source": Path(source).name, "dtype": dtype}
    loading = {way: asdict(one) for way, one in found.items()}
    print_json("base_loading", settings, loading | {"packing": rates})


if __name__ == "__main__":
    parser = options(__doc__ or "")
    parser.add_argument("source", help="a model's folder")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--kept", type=Path, help=argparse.SUPPRESS)
    main(parser.parse_args())
