"""The day with a GPU.

    python -m bench.gpu --minutes 25 [--out FOLDER] [--wheels FOLDER] [--rehearse] …

Runs what fits in the time, in the order of its worth, and writes FOLDER/gpu.md and FOLDER/gpu.json
after every row. A run with the same --out goes on where an earlier one ended. --rehearse does the
same on the CPU with small shapes. Exits with 1 where a row failed or was ended.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.gpu.day import Clock, run_day
from bench.gpu.plan import lengthen_bounds, plan
from bench.gpu.record import Outcome, Record
from bench.gpu.row_process import RowProcess


def main() -> None:
    chosen = _parse_arguments()
    clock = Clock(end=time.monotonic() + 60 * chosen.minutes)
    work = chosen.work or Path(tempfile.mkdtemp(prefix="tally-gpu-"))
    site = install_wheels(chosen.wheels, work / "site") if chosen.wheels else None
    if site:
        sys.path.insert(0, str(site))
    rows = lengthen_bounds(plan()) if chosen.rehearse else plan()
    rows = [row for row in rows if not chosen.rows or row.name in chosen.rows]
    record = Record(chosen.out, rehearsed=chosen.rehearse)
    run_day(rows, record, clock, RowProcess(work, chosen.rehearse, site).run, _say)
    _say(f"\n{record.table()}")
    wrong = {Outcome.FAILED, Outcome.OUT_OF_BOUND}
    raise SystemExit(any(result.outcome in wrong for result in record.results))


def install_wheels(wheels: Path, site: Path) -> Path:
    """Unpacks the wheels that were carried here into `site`; returns it."""
    files = sorted(str(path) for path in wheels.glob("*.whl"))
    if not files:
        raise SystemExit(f"{wheels} holds no wheels; bench/gpu/wheels.txt says which to carry")
    options = ["--quiet", "--no-index", "--no-deps", "--upgrade", f"--target={site}"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, *files], check=True)
    return site


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=25, help="how long the day is")
    parser.add_argument("--out", type=Path, default=Path("gpu-output"), help="table and JSON")
    parser.add_argument("--work", type=Path, help="models and logs; a temporary folder if unset")
    parser.add_argument("--wheels", type=Path, help="folder of wheels to use beside what is there")
    parser.add_argument("--rows", nargs="+", metavar="ROW", choices=[row.name for row in plan()])
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, with small shapes")
    return parser.parse_args()


if __name__ == "__main__":
    main()
