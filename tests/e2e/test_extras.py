"""A service's extra installs what that service needs, in an empty environment, and no more."""

import os
import signal
import subprocess
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def installed(python: Path) -> set[str]:
    command = [python, "-m", "pip", "list", "--format=freeze"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {line.split("==")[0].lower() for line in listing.splitlines()}


def starts_and_ends(python: Path, module: str, port_option: str, folder: Path) -> None:
    """Runs the installed module away from the checkout until it listens, then ends it."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TALLY", "PYTHON"))}
    process = subprocess.Popen(
        [python, "-m", module, port_option, "0"],
        cwd=folder,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines = []
    for line in process.stderr:
        lines.append(line)
        if "listening on" in line:
            break
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 0, "".join(lines) + rest
    assert "listening on" in lines[-1]


@pytest.mark.parametrize(
    ("extra", "module", "port_option", "barred"),
    [
        ("reward", "reward_service", "--server.port", {"torch", "fastapi", "transformers"}),
        ("gateway", "gateway", "--port", {"torch", "transformers", "peft"}),
    ],
)
def test_an_extra_is_enough_and_no_more(
    extra: str, module: str, port_option: str, barred: set[str], tmp_path: Path
):
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    package = f"{ROOT}[{extra}]"
    subprocess.run([python, "-m", "pip", "install", "--quiet", package], check=True, timeout=300)
    assert not installed(python) & barred
    starts_and_ends(python, module, port_option, tmp_path)
