"""One service as a process: started in a group of its own, logged to a file, ended as a group."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_TAIL_LINES = 25
_TAIL_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Service:
    """What to run, and how to tell that it works. `environment` comes on top of this process's."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    is_healthy: Callable[[], bool]


class ServiceProcess:
    """A service's process, now or again. Start it from a thread that outlives it: Linux ends it
    with the thread that started it."""

    def __init__(self, service: Service, log_path: Path) -> None:
        self.service = service
        self.log_path = log_path
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        launcher = (sys.executable, "-P", "-m", "tally.cli.stack.child", str(os.getpid()))
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [*launcher, *self.service.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **_import_path(), **self.service.environment},
                start_new_session=True,
            )

    def exit_code(self) -> int | None:
        """None while it runs or before it was started."""
        return self._process.poll() if self._process else None

    def ask_to_end(self) -> None:
        if self._process and self.running:
            self._process.terminate()

    def kill_group(self) -> None:
        """Ends the process and whatever it started and left behind."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def log_tail(self) -> str:
        """The last lines of its log."""
        with self.log_path.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-_TAIL_LINES:])


def _import_path() -> dict[str, str]:
    """For a checkout that is not installed: where the services and `tally` are."""
    house = Path(__file__).resolve().parents[3]
    if not (house / "protos").is_dir():
        return {}
    paths = [str(house), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
