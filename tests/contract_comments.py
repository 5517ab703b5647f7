"""The comments of the contracts, as their compiler reads them."""

import functools
import tempfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

from tests.generated_code import PROTOS, WELL_KNOWN


@functools.cache
def field_comments(file: str, message: str) -> dict[str, str]:
    """What stands above each field of a message of the file, in one line."""
    source = _source(file)
    number = [one.name for one in source.message_type].index(message)
    comments = {tuple(at.path): at.leading_comments for at in source.source_code_info.location}
    return {
        field.name: " ".join(comments.get((4, number, 2, place), "").split())
        for place, field in enumerate(source.message_type[number].field)
    }


@functools.cache
def _source(file: str) -> FileDescriptorProto:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "descriptors")
        options = ["--include_source_info", f"--descriptor_set_out={target}"]
        includes = [f"-I{PROTOS}", f"-I{WELL_KNOWN}"]
        assert protoc.main(["protoc", *includes, *options, file]) == 0
        return FileDescriptorSet.FromString(target.read_bytes()).file[-1]
