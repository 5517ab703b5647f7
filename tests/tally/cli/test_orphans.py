"""A stack that ends, or is killed, leaves no process behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.processes import alive
from tests.waiting import wait_until

_PARENT = """
import pathlib, sys, time
from tally.cli.stack.service_process import Service
from tally.cli.stack.supervisor import Supervisor
from tally.cli.stack.stop_request import stop_on_signals

folder = pathlib.Path(sys.argv[1])
ready = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
services = [
    Service(name=n, command=(sys.executable, "-c", ready, str(folder / n)),
            is_healthy=(folder / n).exists)
    for n in ("reward", "gateway")
]
with stop_on_signals() as request:
    stack = Supervisor(services, folder, stopped=request.is_stopped, report=print)
    stack.start()
    print(*[p.pid for p in stack.processes], flush=True)
    stack.run()
    stack.stop()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGKILL, -9), (signal.SIGINT, 0), (signal.SIGTERM, 0)]
)
def test_no_child_outlives_the_stack(tmp_path: Path, number: int, exit_code: int) -> None:
    house = Path(__file__).parents[3]
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(house)},
    )
    with parent:
        lines = [parent.stdout.readline() for _ in range(3)]
        pids = [int(pid) for pid in lines[-1].split()]
        assert all(alive(pid) for pid in pids)
        parent.send_signal(number)
        assert parent.wait(60) == exit_code
    wait_until(lambda: not any(alive(pid) for pid in pids))
