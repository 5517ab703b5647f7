"""A real PostgreSQL for tests: started, stopped, frozen."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from tally.cli.stack.ports import free_port


class Postgres:
    """A server of one's own in a folder that is gone afterwards; as another user under root.

    Beside this machine, the network of `address` reaches it, where one is given.
    """

    def __init__(self, address: str | None = None) -> None:
        bindir = subprocess.run(
            ["pg_config", "--bindir"], check=True, capture_output=True, text=True
        )
        self.programs = Path(bindir.stdout.strip())
        self._folder = Path(tempfile.mkdtemp(prefix="tally-postgres-", dir="/tmp"))
        self._user: list[str] = []
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
            ids = [f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
            self._user = ["setpriv", *ids]
        self.port = 0
        self._addresses = ["127.0.0.1", *([address] if address else [])]
        self._run("initdb", "-U", "tally", "-A", "trust", "--no-sync")
        with (self._folder / "data" / "pg_hba.conf").open("a") as file:
            file.writelines(f"host all all {one}/24 trust\n" for one in self._addresses[1:])

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._user, str(self.programs / program), "-D", str(self._folder / "data")]
        subprocess.run(
            [*command, *arguments], check=True, cwd="/", stdout=subprocess.DEVNULL, timeout=120
        )

    def start_anywhere(self) -> None:
        """At a port that is free; another process may take it first, and another is tried."""
        for attempts_left in reversed(range(5)):
            self.port = free_port()
            try:
                self.start()
                break
            except subprocess.CalledProcessError:
                if not attempts_left:
                    raise

    def start(self) -> None:
        options = f"-p {self.port} -k {self._folder} -c fsync=off "
        options += f"-h {','.join(self._addresses)}"
        log = str(self._folder / "log")
        self._run("pg_ctl", "-w", "-o", options, "-l", log, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-m", "fast", "stop")

    def freeze(self) -> None:
        """Stops every process of it where it stands: connections stay, and nobody answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        first = int((self._folder / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        for process in (first, *map(int, children)):
            os.kill(process, number)

    def remove(self) -> None:
        shutil.rmtree(self._folder)

    def create(self) -> SecretStr:
        """A new database; returns its URL on this machine."""
        name = f"t{os.urandom(4).hex()}"
        address = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "tally"]
        subprocess.run([str(self.programs / "createdb"), *address, name], check=True, timeout=60)
        return SecretStr(f"postgresql://tally@127.0.0.1:{self.port}/{name}")


@contextmanager
def running_postgres(address: str | None = None) -> Iterator[Postgres]:
    server = Postgres(address)
    try:
        server.start_anywhere()
        try:
            yield server
        finally:
            server.stop()
    finally:
        server.remove()
