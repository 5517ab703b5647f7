"""`python -m tally.samples OUTPUT_FOLDER`: writes training_data.zip and held_out.zip."""

import argparse
from pathlib import Path

from tally.samples.dataset import LAST_SEED, write_sample_data

LAST_SAMPLE_SEED = (LAST_SEED - 1) // 2


def _seed(text: str) -> int:
    seed = int(text)
    if not 0 <= seed <= LAST_SAMPLE_SEED:
        raise argparse.ArgumentTypeError(f"{seed} is not in 0 to {LAST_SAMPLE_SEED}")
    return seed


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tally.samples",
        description="Writes training_data.zip and held_out.zip, with no image in both.",
    )
    parser.add_argument("output", type=Path, help="the folder to write to")
    parser.add_argument("--training", type=int, default=300, help="scenes to train on")
    parser.add_argument("--held-out", type=int, default=216, help="scenes to compare on")
    parser.add_argument("--seed", type=_seed, default=1, help=f"0 to {LAST_SAMPLE_SEED}")
    parser.add_argument(
        "--hard",
        action="store_true",
        help="up to 15 objects that overlap, among others; held_out_kinds.zip besides",
    )
    options = parser.parse_args()
    write_sample_data(
        options.output,
        training=options.training,
        held_out=options.held_out,
        seed=options.seed,
        hard=options.hard,
    )


if __name__ == "__main__":
    main()
