"""`python -m tally.cli.stack.child PARENT_PID COMMAND…`: becomes COMMAND, dies with its parent.

A step of its own because a function between fork and exec (`preexec_fn`) is unsafe beside threads.
On systems other than Linux it only becomes COMMAND.
"""

import os
import sys

from tally.host.parent import end_with_parent


def main() -> None:
    parent_pid, command = int(sys.argv[1]), sys.argv[2:]
    end_with_parent(parent_pid)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
