"""The wheels to carry to a machine with a GPU and without a network.

    python -m bench.gpu.carry FOLDER

Downloads what wheels.txt names, for Python 3.12 on Linux, and leaves out of bitsandbytes what is
built for other versions of CUDA than that machine's, which is nine tenths of it.
"""

import argparse
import re
import subprocess
import sys
import zipfile
from pathlib import Path

_NAMES = Path(__file__).with_name("wheels.txt")
_VERSIONS = Path(__file__).parents[2] / "deploy" / "locks" / "dev.txt"
_PYTHON = "3.12"
_CUDA = "130"
# pip takes no wheel of a tag that isn't named, older ones included.
_PLATFORMS = ("manylinux_2_28", "manylinux_2_24", "manylinux_2_17", "manylinux2014", "manylinux1")
_COMPILED = re.compile(r"bitsandbytes/libbitsandbytes_\w+\.so")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    download(folder)
    for wheel in folder.glob("bitsandbytes-*.whl"):
        keep_one_cuda(wheel)
    size_bytes = sum(path.stat().st_size for path in folder.glob("*.whl"))
    sys.stdout.write(f"{folder} holds {size_bytes / 2**20:.0f} MiB\n")


def download(folder: Path) -> None:
    """Only what is named, in the versions of the tests: the machine has what these need besides."""
    platforms = [f"--platform={name}_x86_64" for name in _PLATFORMS]
    options = ["--only-binary=:all:", f"--python-version={_PYTHON}", "--no-deps", "--quiet"]
    files = [f"--requirement={_NAMES}", f"--constraint={_VERSIONS}", f"--dest={folder}"]
    command = [sys.executable, "-m", "pip", "download", *options, *platforms, *files]
    subprocess.run(command, check=True)


def keep_one_cuda(wheel: Path) -> None:
    """Takes out of a wheel of bitsandbytes the libraries that another CUDA or maker is for."""
    staged = wheel.with_suffix(".part")
    with zipfile.ZipFile(wheel) as source:
        kept = [name for name in source.namelist() if not _is_for_others(name)]
        with zipfile.ZipFile(staged, "w", zipfile.ZIP_DEFLATED) as target:
            for name in kept:
                content = source.read(name)
                target.writestr(name, _without_others(content) if _is_list(name) else content)
    staged.replace(wheel)


def _is_for_others(name: str) -> bool:
    ours = (f"_cuda{_CUDA}.so", "_cpu.so")
    return _COMPILED.fullmatch(name) is not None and not name.endswith(ours)


def _is_list(name: str) -> bool:
    """Whether it is the wheel's list of its own files."""
    return name.endswith(".dist-info/RECORD")


def _without_others(record: bytes) -> bytes:
    lines = record.splitlines(keepends=True)
    kept = [line for line in lines if not _is_for_others(line.decode().partition(",")[0])]
    return b"".join(kept)


if __name__ == "__main__":
    main()
