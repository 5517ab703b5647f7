"""`python -m gateway.retention`: deletes what is older than it is to be kept, or only says what is.

It works on the gateway's database, by the settings in the environment. What hangs on the rows that
it deletes goes with the gateway that runs beside it, or that starts next.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing

from gateway.database import database_or_exit
from gateway.deletion.retention import COMPARISON, FILE, JOB, PREDICTED, Outdated, Retention
from gateway.settings import GatewaySettings
from gateway.storage import Storage
from gateway.times import now, to_seconds
from tally.text.sinks import to_line

_NOTHING_IS_SET = (
    "nothing is kept for a time only: set TALLY_GATEWAY_FILE_RETENTION_DAYS and the like, or "
    "give --file-days, --job-days or --comparison-days"
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Exits with 1 and a sentence where nothing is to go with age, with 2 for days that none
    may be."""
    options = _parser().parse_args(arguments)
    settings = GatewaySettings.read(_days(options))
    with (
        database_or_exit(settings) as database,
        closing(Storage(settings.data_dir)) as storage,
    ):
        retention = Retention(settings, storage, database)
        if not retention.is_on:
            sys.exit(_NOTHING_IS_SET)
        found = retention.find() if options.dry_run else retention.apply()
    sys.stdout.write(_table(found))
    size_bytes = sum(one.bytes_here for one in found)
    would = "would go" if options.dry_run else "went"
    sys.stderr.write(f"{len(found)} {would}, with {size_bytes:,} bytes at the gateway\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m gateway.retention", description=__doc__)
    parser.add_argument("--dry-run", action="store_true", help="delete nothing, say what would go")
    for kind, what in (
        (FILE, "unused"),
        (JOB, "ended"),
        (COMPARISON, "ended"),
        (PREDICTED, "ended"),
    ):
        parser.add_argument(
            f"--{kind}-days",
            type=float,
            metavar="DAYS",
            help=f"{kind}s {what} for longer; as TALLY_GATEWAY_{kind.upper()}_RETENTION_DAYS says "
            "if left out",
        )
    return parser


def _days(options: argparse.Namespace) -> list[str]:
    """Those that were given, as options of the gateway: bounded as its settings are."""
    given = {kind: getattr(options, f"{kind}_days") for kind in (FILE, JOB, COMPARISON, PREDICTED)}
    return [f"--{kind}-retention-days={days}" for kind, days in given.items() if days is not None]


def _table(found: Sequence[Outdated]) -> str:
    rows = [("kind", "id", "owner", "name", "since", "days", "bytes")]
    for one in found:
        days = f"{(now() - one.since).total_seconds() / 86400:.1f}"
        since, size = to_seconds(one.since), str(one.bytes_here)
        rows.append((one.kind, one.id, one.owner or "-", to_line(one.name), since, days, size))
    return "".join("\t".join(row) + "\n" for row in rows)


if __name__ == "__main__":
    main()
