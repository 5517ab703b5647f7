"""A row in a process of its own: a crash, or a hang, costs that row alone."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from bench.gpu.plan import Row
from bench.gpu.record import Figure, Outcome, RowResult

_ROOT = Path(__file__).resolve().parents[2]
_END_SECONDS = 10.0
_TAIL_CHARACTERS = 4000


class RowProcess:
    """Runs rows; `work` takes their models, logs and figures, `site` has packages for them."""

    def __init__(
        self,
        work: Path,
        rehearse: bool,
        site: Path | None = None,
        package: str = "bench.gpu.rows",
    ) -> None:
        self._work = work
        self._rehearse = rehearse
        self._site = site
        self._package = package
        work.mkdir(parents=True, exist_ok=True)

    def run(self, row: Row, bound_seconds: float) -> RowResult:
        """Ends it after `bound_seconds`; the figures that it noted until then stay."""
        figures_path, log_path = self._path(row, "jsonl"), self._path(row, "log")
        figures_path.unlink(missing_ok=True)
        started = time.monotonic()
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                self._command(row, figures_path),
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment(),
                cwd=_ROOT,
                start_new_session=True,
            )
            exit_code = _wait(process, bound_seconds)
        outcome, reason = _judge(exit_code, bound_seconds, log_path)
        return RowResult(
            name=row.name,
            outcome=outcome,
            seconds=time.monotonic() - started,
            reason=reason,
            log_tail="" if outcome is Outcome.DONE else _tail(log_path),
            figures=_read_figures(figures_path),
        )

    def _command(self, row: Row, figures_path: Path) -> list[str]:
        options = [f"--work={self._work}", f"--figures={figures_path}", f"--parent={os.getpid()}"]
        if self._rehearse:
            options.append("--rehearse")
        module = f"{self._package}.{row.module}"
        return [
            sys.executable,
            "-m",
            "bench.gpu.row",
            module,
            f"--argument={row.argument}",
            *options,
        ]

    def _environment(self) -> dict[str, str]:
        """Tally runs from the checkout: it need not be installed. No rehearsal uses a card."""
        paths = [_ROOT, self._site, os.environ.get("PYTHONPATH")]
        hidden = {"CUDA_VISIBLE_DEVICES": ""} if self._rehearse else {}
        return {
            **os.environ,
            **hidden,
            "PYTHONPATH": os.pathsep.join(str(path) for path in paths if path),
        }

    def _path(self, row: Row, kind: str) -> Path:
        return self._work / f"{row.name.replace(' ', '-').replace(',', '')}.{kind}"


def _read_figures(path: Path) -> list[Figure]:
    """What a row noted; a last line that was cut off is left out."""
    if not path.exists():
        return []
    lines = path.read_text().split("\n")[:-1]
    return [Figure(**json.loads(line)) for line in lines]


def _wait(process: subprocess.Popen[bytes], bound_seconds: float) -> int | None:
    """Its exit code, or None where it had to be ended; nothing of its group is left."""
    try:
        return process.wait(bound_seconds)
    except subprocess.TimeoutExpired:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_END_SECONDS)
        return None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _judge(exit_code: int | None, bound_seconds: float, log_path: Path) -> tuple[Outcome, str]:
    if exit_code is None:
        return Outcome.OUT_OF_BOUND, f"ended after {bound_seconds:.0f} s"
    if exit_code == 0:
        return Outcome.DONE, ""
    if exit_code < 0:
        return Outcome.FAILED, f"ended by {signal.Signals(-exit_code).name}"
    lines = _tail(log_path).strip().splitlines()
    return Outcome.FAILED, lines[-1][:300] if lines else f"exit code {exit_code}"


def _tail(path: Path) -> str:
    return path.read_text(errors="replace")[-_TAIL_CHARACTERS:]
