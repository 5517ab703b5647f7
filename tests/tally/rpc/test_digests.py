import pytest

from tally.rpc.digests import check_digest, digest_of, digest_of_file, vocabulary_fingerprint
from tally.rpc.errors import InvalidArgument
from tally.rpc.names import model_name


def test_digest_of_nothing_is_the_known_one():
    known = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert digest_of(b"") == known


def test_a_file_has_the_digest_of_its_bytes(tmp_path):
    data = bytes(range(256)) * 9000
    (tmp_path / "blob").write_bytes(data)
    assert digest_of_file(tmp_path / "blob") == digest_of(data)


@pytest.mark.parametrize("digest", ["", "a" * 63, "A" * 64, "../" + "a" * 61, "a" * 64 + "\n"])
def test_a_malformed_digest_is_refused_with_its_field(digest):
    with pytest.raises(InvalidArgument, match="image_digest"):
        check_digest(digest, "image_digest")


def test_fingerprint_ignores_order_and_sees_ids():
    assert vocabulary_fingerprint({"a": 0, "b": 1}) == vocabulary_fingerprint({"b": 1, "a": 0})
    assert vocabulary_fingerprint({"a": 0, "b": 1}) != vocabulary_fingerprint({"a": 1, "b": 0})


def test_a_folder_is_called_by_its_last_part_and_a_hub_name_stays(tmp_path):
    assert model_name(str(tmp_path)) == tmp_path.name
    assert model_name("Qwen/Qwen2.5-VL-3B-Instruct") == "Qwen/Qwen2.5-VL-3B-Instruct"
