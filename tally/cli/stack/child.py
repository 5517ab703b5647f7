"""`python -m tally.cli.stack.child PARENT_PID COMMAND…`: becomes COMMAND, dies with its parent.

A step of its own because a function between fork and exec (`preexec_fn`) is unsafe beside threads.
On systems other than Linux it only becomes COMMAND.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    parent_pid, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent_pid:
            sys.exit("the parent had ended already")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
