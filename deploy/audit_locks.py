"""`make audit`: asks for what is known to be wrong with every package that a lock names.

It needs the advisories of PyPI (or of OSV: `--vulnerability-service=osv`), so it is no part of
`make test`. Options are pip-audit's.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.write_locks import IMAGES, LOCKS, ROOT

# A lock is whole: nothing is resolved, and nothing is built.
COMMAND = (
    sys.executable,
    "-m",
    "pip_audit",
    "--disable-pip",
    "--no-deps",
    "--progress-spinner=off",
)


def audit(options: Sequence[str] = ()) -> int:
    """Looks at all of them; the exit code is 0 where nothing is known of any."""
    commands = [[*_command(path), *options] for path in sorted(LOCKS.glob("*.txt"))]
    return max(subprocess.run(one, cwd=ROOT, check=False).returncode for one in commands)


def _command(lock: Path) -> list[str]:
    """What an image installs must be known to the advisories; CI's torch for CPUs is not."""
    strictly = ["--strict"] if lock.stem in IMAGES else []
    return [*COMMAND, *strictly, f"--requirement={lock}"]


if __name__ == "__main__":
    sys.exit(audit(sys.argv[1:]))
