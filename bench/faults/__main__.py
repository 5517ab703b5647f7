"""Random kills and stops of gateway, learner, worker, rollout and reward while jobs run.

Users upload, train, cancel, resume and compare over REST; what they were told is written down. When
the last blow has fallen and all jobs have ended, it is held against what is there. The same seed
draws the same blows.
"""

import logging
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from bench.faults.run import Outcome, run
from bench.faults.schedule import GAP_SECONDS, draw_schedule
from bench.report import options, print_json, print_table

_log = logging.getLogger(__name__)


def main() -> None:
    parser = options((__doc__ or "").splitlines()[0])
    parser.add_argument("--cycles", type=int, default=200, help="how many blows")
    parser.add_argument("--seed", type=int, default=1, help="of the schedule")
    parser.add_argument(
        "--gap-seconds",
        type=float,
        default=GAP_SECONDS,
        help="between two blows, on average: in longer ones more jobs come to an end",
    )
    parser.add_argument("--folder", type=Path, help="an empty one, to be kept; else one that goes")
    arguments = parser.parse_args()
    cycles = 5 if arguments.quick else arguments.cycles

    logging.basicConfig(format="%(asctime)s %(message)s")
    schedule = draw_schedule(arguments.seed, cycles, arguments.gap_seconds)
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(schedule, arguments.seed, arguments.folder or Path(folder), _log.warning)
    settings = {"seed": arguments.seed, "cycles": cycles, "gap_seconds": arguments.gap_seconds}
    _print(outcome, settings)
    sys.exit(not outcome.holds)


def _print(outcome: Outcome, settings: dict[str, float]) -> None:
    print_table(["blow", "times"], list(outcome.hits.items()))
    broken = outcome.broken | {"files_or_blobs_left": len(outcome.left)}
    print_table(["what must not be", "seen"], [(_words(k), v) for k, v in broken.items()])
    if named := [*outcome.left, *outcome.findings]:
        print_table(["what was found"], [[what] for what in named])
    print_json("faults", settings, asdict(outcome))


def _words(name: str) -> str:
    return name.replace("_", " ")


if __name__ == "__main__":
    main()
