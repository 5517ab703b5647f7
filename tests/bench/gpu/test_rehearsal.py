"""Rows as they are, on the CPU with small shapes: one with a policy, two with whole stacks."""

import subprocess
import sys
from pathlib import Path

from bench.gpu.record import Outcome, Record

ROOT = Path(__file__).parents[3]
ROWS = ("exactness qwen2_5_vl", "step, bfloat16", "card of 8 GB")


def test_a_rehearsal_measures_what_a_day_would(tmp_path: Path):
    options = [f"--out={tmp_path / 'out'}", f"--work={tmp_path / 'work'}", "--minutes=60"]
    command = [sys.executable, "-m", "bench.gpu", "--rehearse", *options, "--rows", *ROWS]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    results = Record(tmp_path / "out", rehearsed=True).results
    assert [result.name for result in results] == list(ROWS), run.stderr
    assert {result.outcome for result in results} == {Outcome.DONE}, run.stdout
    exactness, step, card = [result.figures for result in results]
    assert [figure.case for figure in exactness] == ["float32", "bfloat16", "NF4"]
    assert all(figure.numbers["holds"] for figure in exactness)
    assert [figure.case for figure in step] == ["first epoch", "later"]
    assert [figure.case for figure in card] == ["whole machine, service", "whole machine, inside"]
    assert all(figure.numbers["peak_bytes"] > 0 for figure in card)
    assert run.returncode == 0
