"""`make locks`: writes the versions that images and CI install, from the ranges of pyproject.toml.

An image's lock holds the digest of every file. CI's are constraints, to which pip takes no digests:
`dev.txt` for all checks on Python 3.11, `light.txt` for the tests without torch on every Python,
`audit.txt` for what asks for known vulnerabilities.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCKS = ROOT / "deploy" / "locks"
# An image's lock has the name of its extra.
IMAGES = ("gateway", "learner", "ray", "reward", "rollout", "trackers", "vllm", "vllm-4bit")
CONSTRAINTS = {
    "audit": ("audit",),
    "dev": ("dev",),
    "light": ("reward", "gateway", "cli", "parquet", "test"),
}
PYTHON = "3.11"
COMMAND = ("uv", "pip", "compile", "pyproject.toml", f"--python-version={PYTHON}", "--quiet")
# Neither a registry's address nor this command's own words belong in a lock.
PLAIN = ("--no-emit-index-url", "--no-header", "--upgrade")


def write_lock(name: str, extras: Sequence[str], *options: str) -> None:
    chosen = [f"--extra={extra}" for extra in extras]
    target = f"--output-file={LOCKS / name}.txt"
    subprocess.run([*COMMAND, *PLAIN, *chosen, *options, target], cwd=ROOT, check=True)


def wheel_folder() -> list[str]:
    """Where pip finds wheels beside PyPI, which lacks the torch that vLLM's CPU build wants."""
    folder = os.environ.get("PIP_FIND_LINKS")
    return [f"--find-links={folder}"] if folder else []


def main() -> None:
    LOCKS.mkdir(exist_ok=True)
    for extra in IMAGES:
        write_lock(extra, [extra], "--generate-hashes")
    write_lock("dev", CONSTRAINTS["dev"], *wheel_folder())
    for name in ("audit", "light"):
        write_lock(name, CONSTRAINTS[name], "--universal")


if __name__ == "__main__":
    main()
