"""As many threads for both sides, which wait for each other in the same way."""

import os
import sys

PATIENT, SPINNING = "patient", "spinning"
# As OpenMP calls them. By itself, GNU's has threads spin for so long and then sleep.
_VARIABLES = {
    PATIENT: {"OMP_WAIT_POLICY": "PASSIVE"},
    SPINNING: {"OMP_WAIT_POLICY": "ACTIVE", "GOMP_SPINCOUNT": "300000"},
}


def share_threads(waiting: str) -> None:
    """Starts the bench again where its OpenMP doesn't wait so.

    OpenMP looks once, as it is loaded; the services that a process starts wait as it does.
    """
    threads = os.environ.get("OMP_NUM_THREADS", str(os.cpu_count()))
    wanted = _VARIABLES[waiting] | {"OMP_NUM_THREADS": threads}
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        command = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, command, os.environ | wanted)
