"""`tally up` with a model of no family that is here."""

import os
import subprocess
import sys
from pathlib import Path

from tally.cli.stack.ports import free_port
from tests.stack import ROOT
from tests.waiting import PATIENCE_SECONDS


def test_it_ends_with_a_sentence_that_names_the_types(tmp_path: Path):
    """The folder holds nothing but a configuration: no weights were ever there to be loaded."""
    (tmp_path / "config.json").write_text('{"model_type": "unheard_of"}')
    command = [sys.executable, "-m", "tally.cli", "up", "--port", str(free_port())]
    process = subprocess.run(
        [*command, "--data-dir", str(tmp_path / "data"), "--model", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=PATIENCE_SECONDS,
    )
    assert process.returncode != 0
    said = " ".join((process.stdout + process.stderr).split())
    assert "type unheard_of is not supported; expected qwen2_5_vl or " in said
