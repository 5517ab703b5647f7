"""An engine in a process of its own, for who asks while no job runs.

    python -m learner_service.inside PARENT_PID

Its task comes on standard input; once it serves, it says at which port on standard output.
"""

import sys

from learner_service.lean_imports import import_lean
from tally.host.parent import end_with_parent


def main() -> None:
    end_with_parent(int(sys.argv[1]))
    # Not before: it brings torch.
    process = import_lean("learner_service.inside.engine_process")
    process.run_engine(sys.stdin.read())


if __name__ == "__main__":
    main()
