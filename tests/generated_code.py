"""Writes the code generated from the contracts, or checks that what is committed is not stale."""

import filecmp
import sys
import tempfile
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).parent.parent
PROTOS = ROOT / "protos"
# Where google/protobuf/*.proto come with the compiler.
WELL_KNOWN = Path(grpc_tools.__file__).parent / "_proto"


def generate(target: Path) -> None:
    sources = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    arguments = [
        "protoc",
        f"-I{PROTOS}",
        f"-I{WELL_KNOWN}",
        f"--python_out={target}",
        f"--grpc_python_out={target}",
    ]
    arguments += [f"--mypy_out=quiet:{target}", f"--mypy_grpc_out=quiet:{target}"]
    if protoc.main([*arguments, *sources]) != 0:
        sys.exit("protoc failed")


def stale_files() -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        names = sorted(path.relative_to(folder) for path in Path(folder).rglob("*_pb2*"))
        committed = sorted(path.relative_to(ROOT) for path in ROOT.glob("tally/*/v1/*_pb2*.py*"))
        _, changed, missing = filecmp.cmpfiles(folder, ROOT, names, shallow=False)
        left_over = set(committed) - set(names)
        return sorted(str(path) for path in [*changed, *missing, *left_over])


def main() -> None:
    if sys.argv[1:] == ["write"]:
        generate(ROOT)
    elif stale := stale_files():
        sys.exit(f"stale, run `make protos`: {', '.join(stale)}")


if __name__ == "__main__":
    main()
