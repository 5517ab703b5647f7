"""The supervisor with stand-in services: order, health, restarts, the end."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tally.cli.errors import Interrupted, StackFailed
from tally.cli.stack.service_process import Service
from tally.cli.stack.supervisor import Supervisor
from tests.fakes.processes import alive
from tests.waiting import wait_until

_IDLE = "import time; time.sleep(600)"
_STUBBORN = (
    "import pathlib, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
)


def _service(
    name: str, code: str = _IDLE, *arguments: object, healthy: Callable[[], bool] = lambda: True
) -> Service:
    command = (sys.executable, "-c", code, *(str(a) for a in arguments))
    return Service(name=name, command=command, is_healthy=healthy)


class Stack:
    """A supervisor over services, with what it reported and a way to stop it."""

    def __init__(self, folder: Path, services: list[Service], **limits: float) -> None:
        self.said: list[str] = []
        self.stopping = self.hurrying = False
        self.supervisor = Supervisor(
            services,
            folder / "logs",
            stopped=lambda: self.stopping,
            hurried=lambda: self.hurrying,
            report=self.said.append,
            **limits,
        )

    @property
    def pids(self) -> list[int | None]:
        return [process.pid for process in self.supervisor.processes]

    @property
    def exit_codes(self) -> list[int | None]:
        return [process.exit_code() for process in self.supervisor.processes]


@pytest.fixture
def make_stack(tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    stacks: list[Stack] = []

    def make(*services: Service, **limits: float) -> Stack:
        stacks.append(Stack(tmp_path, list(services), **limits))
        return stacks[-1]

    yield make
    for stack in stacks:
        for process in stack.supervisor.processes:
            process.kill_group()


def test_services_start_in_order_and_end_in_the_opposite_one(
    make_stack: Callable[..., Stack], tmp_path: Path
) -> None:
    code = (
        "import pathlib, signal, sys, time\n"
        "def end(*_):\n"
        "    with open(sys.argv[1], 'a') as f: f.write(sys.argv[2] + ' ')\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); pathlib.Path(sys.argv[3]).touch()\n"
        "time.sleep(600)"
    )
    names, log = ["reward", "rollout", "learner", "gateway"], tmp_path / "ended"
    services = [
        _service(name, code, log, name, tmp_path / name, healthy=(tmp_path / name).exists)
        for name in names
    ]
    stack = make_stack(*services)
    stack.supervisor.start()
    assert stack.said == [f"{name} is ready" for name in names]
    assert stack.pids == sorted(stack.pids)
    stack.supervisor.stop()
    assert log.read_text().split() == names[::-1]
    assert stack.exit_codes == [0, 0, 0, 0]


def test_waits_until_healthy(make_stack: Callable[..., Stack]) -> None:
    answers = [True, False, False]
    stack = make_stack(_service("reward", healthy=answers.pop))
    stack.supervisor.start()
    assert answers == []


def test_what_is_never_healthy_fails(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(_service("reward", healthy=lambda: False), start_seconds=0.2)
    with pytest.raises(StackFailed, match="The reward service was not ready after"):
        stack.supervisor.start()


def test_what_ends_before_it_is_ready_fails_with_its_log(make_stack: Callable[..., Stack]) -> None:
    slow = _service("reward", healthy=lambda: False)
    stack = make_stack(slow, _service("learner", "raise SystemExit('no such model')"))
    with pytest.raises(StackFailed, match="learner service ended with exit code 1") as caught:
        stack.supervisor.start()
    assert (caught.value.service, caught.value.log_tail) == ("learner", "no such model")


def test_a_stop_while_starting_interrupts(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(_service("reward", healthy=lambda: False))
    stack.stopping = True
    with pytest.raises(Interrupted):
        stack.supervisor.start()


def test_what_dies_is_restarted(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(_service("reward"), _service("gateway"))
    stack.supervisor.start()
    before = stack.pids
    os.kill(before[0], signal.SIGKILL)
    stack.supervisor.run(until=lambda: stack.pids[0] != before[0])
    assert stack.pids[1] == before[1]
    assert "reward ended with exit code -9; restart 1 of 5" in stack.said


def test_what_keeps_dying_ends_the_stack(make_stack: Callable[..., Stack], tmp_path: Path) -> None:
    code = "import pathlib, sys, time; p = pathlib.Path(sys.argv[1]); print('broken');"
    code += "p.exists() and sys.exit(3); time.sleep(600)"
    stack = make_stack(_service("reward", code, tmp_path / "break"), restarts=2)
    stack.supervisor.start()
    (tmp_path / "break").touch()
    os.kill(stack.pids[0], signal.SIGKILL)
    with pytest.raises(StackFailed, match="ended with exit code 3 after 2 restarts") as caught:
        stack.supervisor.run()
    assert "broken" in caught.value.log_tail


def test_restarts_long_ago_are_forgotten(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(_service("reward"), restarts=1, restart_window_seconds=0.0)
    stack.supervisor.start()
    for _ in range(3):
        before = stack.pids
        os.kill(before[0], signal.SIGKILL)
        stack.supervisor.run(until=lambda before=before: stack.pids != before)


@pytest.mark.parametrize("hurried", [False, True])
def test_what_outlives_its_grace_is_killed(
    make_stack: Callable[..., Stack], tmp_path: Path, hurried: bool
) -> None:
    ready = tmp_path / "ready"
    service = _service("learner", _STUBBORN, ready, healthy=ready.exists)
    stack = make_stack(service, grace_seconds=600.0 if hurried else 0.3)
    stack.supervisor.start()
    stack.hurrying = hurried
    stack.supervisor.stop()
    assert stack.exit_codes == [-signal.SIGKILL]
    assert stack.said[-1] == "learner outlived its grace and was killed"


def test_what_a_service_left_behind_ends_with_it(
    make_stack: Callable[..., Stack], tmp_path: Path
) -> None:
    left = tmp_path / "left"
    code = (
        "import pathlib, subprocess, sys, time;"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "t = pathlib.Path(sys.argv[1] + '.new'); t.write_text(str(p.pid)); t.rename(sys.argv[1]);"
        "time.sleep(600)"
    )
    stack = make_stack(_service("learner", code, left, healthy=left.exists))
    stack.supervisor.start()
    stack.supervisor.stop()
    wait_until(lambda: not alive(int(left.read_text())))


def test_each_service_has_a_log_of_its_own(
    make_stack: Callable[..., Stack], tmp_path: Path
) -> None:
    code = "import sys, time; print('I am', sys.argv[1], flush=True); time.sleep(600)"
    logs = {name: tmp_path / "logs" / f"{name}.log" for name in ("reward", "learner")}
    services = [
        _service(name, code, name, healthy=lambda log=log: b"I am" in log.read_bytes())
        for name, log in logs.items()
    ]
    make_stack(*services).supervisor.start()
    assert {name: log.read_text() for name, log in logs.items()} == {
        "reward": "I am reward\n",
        "learner": "I am learner\n",
    }


def test_a_group_of_its_own_keeps_the_terminals_ctrl_c_away(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(_service("reward"))
    stack.supervisor.start()
    assert os.getpgid(stack.pids[0]) == stack.pids[0] != os.getpgid(0)
