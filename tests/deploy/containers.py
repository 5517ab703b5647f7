"""A service that runs from its image, on a host of a network of the test's own."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.deploy.buildah import Buildah
from tests.learner_service.host_network import HostNetwork
from tests.waiting import wait_until

_SECONDS = 120


class Container:
    """Of the image tally-SERVICE, on the host `number` of the network; it does not run yet.

    As compose would have it: it knows the others by name, at `addresses`, has `environment` beside
    its image's, and no capability.
    """

    def __init__(
        self,
        buildah: Buildah,
        service: str,
        network: HostNetwork,
        number: int,
        *,
        addresses: Mapping[str, str],
        environment: Mapping[str, str],
        log: Path,
    ) -> None:
        image = f"tally-{service}"
        self._buildah, self._network, self._number = buildah, network, number
        self._log = log
        self._described = buildah.described(image)
        hosts = [f"--add-host={name}:{address}" for name, address in addresses.items()]
        self._name = buildah("from", "--pull-never", "--cap-drop=ALL", *hosts, image)
        settings = [f"--env={name}={value}" for name, value in environment.items()]
        buildah("config", *settings, self._name)
        self._root = Path(buildah("mount", self._name))
        self._process: subprocess.Popen[bytes] | None = None
        self._owned_before = set(self._owned())

    @property
    def address(self) -> str:
        return self._network.address(self._number)

    @property
    def health_check(self) -> list[str]:
        kind, *command = self._described["Healthcheck"]["Test"]
        assert kind == "CMD"
        return command

    def start(self) -> None:
        """Runs what the image runs; returns once the image's health check says that it is well."""
        command = self._command(self._described["Entrypoint"])
        with self._log.open("ab") as log:
            process = self._process = subprocess.Popen(
                command, env=self._buildah.environment, stdout=log, stderr=log
            )
        wait_until(lambda: process.poll() is not None or self.is_healthy(), self._log.read_text)
        assert process.poll() is None, self._log.read_text()

    def is_healthy(self) -> bool:
        return self.run(self.health_check).returncode == 0

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """One command more in the container, in its environment and as its user."""
        return subprocess.run(
            self._command(command),
            env=self._buildah.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )

    def stop(self) -> int:
        """The exit code after SIGTERM, which the service itself gets, as from an engine."""
        os.kill(self._service_pid(), signal.SIGTERM)
        return self._process.wait(_SECONDS)

    def close(self) -> None:
        """Leaves no process behind."""
        for pid in self._network.pids(self._number):
            os.kill(pid, signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def written(self) -> Iterator[Path]:
        """What the image's user has made or changed, as the container sees it."""
        for path, _ in set(self._owned()) - self._owned_before:
            yield Path("/") / path

    def _owned(self) -> Iterator[tuple[Path, int]]:
        """With the times of change."""
        for path in self._root.rglob("*"):
            state = path.lstat()
            if state.st_uid == self._user:
                yield path.relative_to(self._root), state.st_mtime_ns

    @property
    def _user(self) -> int:
        return int(self._described["User"].partition(":")[0])

    def _command(self, command: Sequence[str]) -> list[str]:
        run = self._buildah.command("run", "--isolation=chroot", self._name, "--", *command)
        return [*self._network.command(self._number), *run]

    def _service_pid(self) -> int:
        """The oldest process of the image's user that is not buildah's own."""
        return next(pid for pid in sorted(self._network.pids(self._number)) if self._is_ours(pid))

    def _is_ours(self, pid: int) -> bool:
        process = Path(f"/proc/{pid}")
        is_buildahs = (process / "cmdline").read_bytes().startswith(b"buildah")
        return process.stat().st_uid == self._user and not is_buildahs
