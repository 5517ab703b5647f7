"""Packages installed with pip into a folder of their own, without a network."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "docs" / "examples" / "tally-short-answers"
BROKEN = ROOT / "tests" / "fakes" / "broken_rewards"


def install(folder: Path, *packages: Path) -> Path:
    """Into `folder`, which goes on the path of Python. Built from copies: a build writes files."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    for package in packages:
        copy = folder.with_name(f"{folder.name}-{package.name}")
        subprocess.run(["cp", "--recursive", str(package), str(copy)], check=True)
        options = ["--no-build-isolation", f"--target={folder}", str(copy)]
        subprocess.run([*pip, *options], check=True)
    return folder
