"""Python processes that others start mend what they import, too."""

import os
import subprocess
import sys

from tally import torch_compat

CODE = "import sys, importlib.util as u; sys.exit(bool(u.find_spec('rpc') or u.find_spec('cli')))"


def test_a_python_with_the_startup_path_finds_tally_and_nothing_of_its_inside(
    monkeypatch, tmp_path
):
    monkeypatch.setattr(torch_compat, "_misfits", lambda name: True)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(torch_compat.startup_path())}
    process = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, "")
