"""What is left out of a wheel of bitsandbytes before it is carried."""

import zipfile
from pathlib import Path

from bench.gpu.carry import keep_one_cuda


def test_a_wheel_keeps_one_cuda_and_a_list_of_what_it_holds(tmp_path: Path):
    wheel = tmp_path / "bitsandbytes-1-py3-none-any.whl"
    libraries = [
        f"bitsandbytes/libbitsandbytes_{name}.so" for name in ("cpu", "cuda128", "cuda130")
    ]
    record = "bitsandbytes-1.dist-info/RECORD"
    with zipfile.ZipFile(wheel, "w") as file:
        for name in ["bitsandbytes/__init__.py", *libraries]:
            file.writestr(name, name)
        listed = ["bitsandbytes/__init__.py", *libraries, record]
        file.writestr(record, "".join(f"{name},,\n" for name in listed))
    keep_one_cuda(wheel)
    kept = ["bitsandbytes/__init__.py", libraries[0], libraries[2], record]
    with zipfile.ZipFile(wheel) as file:
        assert file.namelist() == kept
        assert file.read(record).decode() == "".join(f"{name},,\n" for name in kept)
