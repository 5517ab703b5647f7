"""safetensors files, tensor by tensor: held against the safetensors package."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tally.weights.safetensors_file import read_tensors, verify, write_tensors

TENSORS = {
    "words": torch.randn(7, 3),
    "half": torch.randn(5).bfloat16(),
    "codes": torch.arange(9, dtype=torch.uint8).view(3, 3),
    "one": torch.tensor(2.5),
    "none": torch.zeros(0, 4),
}


def write(path: Path, **dtypes: torch.dtype) -> None:
    with path.open("wb") as file:
        write_tensors(
            file, {name: (one, dtypes.get(name, one.dtype)) for name, one in TENSORS.items()}
        )


def test_what_safetensors_writes_is_read(tmp_path: Path):
    save_file(TENSORS, tmp_path / "a", metadata={"format": "pt"})
    stored = read_tensors(tmp_path / "a")
    assert stored.keys() == TENSORS.keys()
    for name, expected in TENSORS.items():
        assert torch.equal(stored[name][...], expected)
        assert (stored[name].get_shape(), stored[name].dtype) == (
            list(expected.shape),
            expected.dtype,
        )


def test_what_is_written_safetensors_reads(tmp_path: Path):
    write(tmp_path / "a", words=torch.bfloat16)
    expected = TENSORS | {"words": TENSORS["words"].bfloat16()}
    found = load_file(tmp_path / "a")
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    verify(tmp_path / "a")


def test_a_view_of_the_file_never_changes_it(tmp_path: Path):
    write(tmp_path / "a")
    read_tensors(tmp_path / "a")["words"][...].zero_()
    verify(tmp_path / "a")


@pytest.mark.parametrize("place", [-1, 40])
def test_a_changed_byte_is_seen(tmp_path: Path, place: int):
    write(tmp_path / "a")
    content = bytearray((tmp_path / "a").read_bytes())
    content[place] ^= 1
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ValueError, match=r"a was written otherwise|a is no safetensors file"):
        verify(tmp_path / "a")


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"\x02" + bytes(7) + b"[]"])
def test_another_file_is_none(tmp_path: Path, content: bytes):
    (tmp_path / "a").write_bytes(content)
    for look in (read_tensors, verify):
        with pytest.raises(ValueError, match="a is no safetensors file"):
            look(tmp_path / "a")
