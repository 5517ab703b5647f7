"""`make sbom`: a software bill of materials for each image, by its lock alone: it needs no network.

CycloneDX, in `build/sbom/`: the name, version and digests of every package that the image installs.
"""

import subprocess
import sys
from pathlib import Path

from deploy.write_locks import IMAGES, LOCKS, ROOT

TARGET = ROOT / "build" / "sbom"
# Its warning: of what depends on what a lock says nothing that it reads.
COMMAND = (
    sys.executable,
    "-W",
    "ignore",
    "-m",
    "cyclonedx_py",
    "requirements",
    "--output-reproducible",
)


def write_bom(image: str, target: Path) -> Path:
    """Returns the file, in the folder `target`."""
    path = target / f"tally-{image}.cdx.json"
    about = ["--pyproject", "pyproject.toml", "--mc-type", "application"]
    output = ["--output-format", "JSON", "--output-file", str(path)]
    lock = str(LOCKS / f"{image}.txt")
    subprocess.run([*COMMAND, *about, *output, lock], cwd=ROOT, check=True)
    return path


def main() -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    for image in IMAGES:
        write_bom(image, TARGET)


if __name__ == "__main__":
    main()
