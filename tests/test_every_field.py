"""Hostile values in each field of each request, in real processes: never INTERNAL, and bounded."""

import re
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tally.blob.v1 import blob_pb2
from tally.learner.v1 import host_pb2, learner_pb2, learner_pb2_grpc, worker_pb2
from tally.reward.v1 import reward_pb2
from tally.rollout.v1 import rollout_pb2
from tally.rpc.digests import digest_of
from tests.learner_service.data.hostile_datasets import PICTURE, rows
from tests.learner_service.data.test_dataset import line
from tests.real_services import Services, running_services

CONTRACTS = (blob_pb2, host_pb2, learner_pb2, reward_pb2, rollout_pb2, worker_pb2)
METHODS = {
    f"/{service.full_name}/{method.name}": method.input_type
    for contract in CONTRACTS
    for service in contract.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
TEXTS = [
    "", "x" * 10_000, "\0", "\x1b[31m", "\u202e", "a\nb", "../x", "%2e%2e%2f", "A" * 64, "a" * 63,
    "數" * 5_000, "x" * 1_000_000,
]  # fmt: skip
NUMBERS = [float("nan"), float("inf"), -float("inf"), -1.0, 0.0, 1e308, 5e-324]
HOSTILE: dict[int, list[Any]] = {
    FieldDescriptor.TYPE_STRING: TEXTS,
    FieldDescriptor.TYPE_BYTES: [b"", bytes(100), bytes(17 * 2**20), bytes(40 * 2**20)],
    FieldDescriptor.TYPE_DOUBLE: NUMBERS,
    FieldDescriptor.TYPE_UINT32: [0, 2**32 - 1],
    FieldDescriptor.TYPE_UINT64: [0, 2**63, 2**64 - 1],
    FieldDescriptor.TYPE_INT64: [-1, 2**63 - 1, -(2**63)],
    FieldDescriptor.TYPE_SINT32: [-1, 2**31 - 1],
    FieldDescriptor.TYPE_ENUM: [99],
    FieldDescriptor.TYPE_BOOL: [True],
}
DATASET = rows(line("a.png"))
# Of a dataset that is not there: what starts is one job alone.
PLAUSIBLE: dict[str, Any] = {
    "digest": digest_of(DATASET),
    "dataset_digest": "a" * 64,
    "image": PICTURE,
    "question": "How many?",
    "max_image_size": 56,
    "release": "another",
}
# Left unset: a default stands for them, or another field excludes them.
UNSET = {
    "tally.learner.v1.JobSpec.base_model",
    "tally.learner.v1.AnswerRequest.base_model",
    "tally.learner.v1.AnswerRequest.job_id",
    "tally.learner.v1.Training.config",
    "tally.learner.v1.Training.lora",
    "tally.learner.v1.Training.evaluation_dataset_digest",
    "tally.learner.v1.Training.resume_from_job_id",
    "tally.learner.v1.Training.fresh",
    "tally.learner.v1.Prediction.adapter_digest",
    "tally.learner.v1.Training.adapter_digest",
    "tally.rollout.v1.GenerateRequest.adapter_digest",
    "tally.rollout.v1.GenerateRequest.image_digest",
}
REFUSED = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DATA_LOSS,
}
MOST_BYTES = {"reward": 300 * 2**20, "rollout": 1200 * 2**20, "learner": 900 * 2**20}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with running_services(tmp_path_factory.mktemp("services")) as services:
        for data in (DATASET, PICTURE):
            header = blob_pb2.BlobHeader(digest=digest_of(data), size_bytes=len(data))
            parts = [{"header": header}, {"chunk": blob_pb2.BlobChunk(data=data)}]
            messages = [blob_pb2.PutRequest(**part).SerializeToString() for part in parts]
            put = "/tally.blob.v1.BlobService/Put"
            assert services.call(put, messages, [services.shown]) == (grpc.StatusCode.OK, "")
        yield services


@pytest.fixture(scope="module")
def job_id(services: Services) -> str:
    """Of a job that was cancelled before it began."""
    stub = learner_pb2_grpc.LearnerServiceStub(services.channels["tally.learner.v1.LearnerService"])
    job_id, shown = str(uuid.uuid4()), [services.shown]
    work = learner_pb2.JobSpec(dataset_digest=digest_of(DATASET), train=learner_pb2.Training())
    stub.StartJob(learner_pb2.StartJobRequest(job_id=job_id, spec=work), metadata=shown)
    stub.CancelJob(learner_pb2.CancelJobRequest(job_id=job_id), metadata=shown)
    return job_id


def plausible(field: FieldDescriptor) -> Any:
    if field.name in PLAUSIBLE:
        return PLAUSIBLE[field.name]
    match field.type:
        case FieldDescriptor.TYPE_STRING:
            return "exact" if field.name == "name" else "a" * 64
        case FieldDescriptor.TYPE_BYTES:
            return b"x"
    return 1


def filled(described: Descriptor) -> Message:
    """A message with something plausible in each field, and one part of each choice."""
    message = GetMessageClass(described)()
    for field in described.fields:
        choice = field.containing_oneof
        if field.full_name not in UNSET and not (choice and message.WhichOneof(choice.name)):
            part = part_of(field)
            put(message, field, filled(part) if part else plausible(field))
    return message


def is_map(field: FieldDescriptor) -> bool:
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def part_of(field: FieldDescriptor) -> Descriptor | None:
    """The message that it is, or that a map's values are."""
    if is_map(field):
        return field.message_type.fields_by_name["value"].message_type
    return field.message_type


def put(message: Message, field: FieldDescriptor, value: Any) -> None:
    if is_map(field):
        getattr(message, field.name)["name"].CopyFrom(value)
    elif field.is_repeated:
        getattr(message, field.name).append(value)
    elif field.message_type:
        getattr(message, field.name).CopyFrom(value)
    else:
        setattr(message, field.name, value)


def changes(
    described: Descriptor, above: frozenset[str] = frozenset()
) -> Iterator[tuple[str, Callable[[Message], None]]]:
    """What is done to a message, by its name: each field in turn, and those of its parts, but for a
    part that holds itself."""
    above |= {described.full_name}
    for field in described.fields:
        if part := part_of(field):
            for name, change in changes(part, above) if part.full_name not in above else ():
                yield f"{field.name}.{name}", partial(change_within, field, change)
            yield f"{field.name} left out", partial(leave_out, field)
        else:
            for value in HOSTILE[field.type]:
                yield f"{field.name}={value!r:.30}", partial(put, field=field, value=value)
        if field.is_repeated:
            yield f"{field.name} 20,000 times", partial(repeat, field)


def change_within(
    field: FieldDescriptor, change: Callable[[Message], None], message: Message
) -> None:
    if is_map(field):
        change(getattr(message, field.name)["name"])
        return
    if field.is_repeated:
        change(getattr(message, field.name)[0])
        return
    if not message.HasField(field.name):
        put(message, field, filled(field.message_type))
    change(getattr(message, field.name))


def leave_out(field: FieldDescriptor, message: Message) -> None:
    message.ClearField(field.name)


def repeat(field: FieldDescriptor, message: Message) -> None:
    if is_map(field):
        for number in range(20_000):
            one = getattr(message, field.name)["name"]
            getattr(message, field.name)[f"name{number}"].CopyFrom(one)
        return
    one = getattr(message, field.name)[0]
    getattr(message, field.name).extend([one] * 20_000)


def peak_bytes(pid: int) -> int:
    """The most memory that the process has held so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s+(\d+)", status)[1])


@pytest.mark.parametrize("method", METHODS)
def test_whatever_a_field_holds_the_answer_is_a_refusal_or_right(
    services: Services, job_id: str, method: str
):
    for name, change in changes(METHODS[method]):
        message = filled(METHODS[method])
        if method.endswith(("GetJob", "GetJobLog", "CancelJob", "WatchJob")):
            message.job_id = job_id
        change(message)
        code, said = services.call(method, [message.SerializeToString()], [services.shown])
        assert code is grpc.StatusCode.OK or code in REFUSED, f"{name}: {code} {said}"
        assert said.isprintable(), name
        assert len(said) < 1_000, name
    for service, pid in services.pids.items():
        assert peak_bytes(pid) < MOST_BYTES[service]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("data", [b"\xff" * 9, b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x02\xff\xfe"])
def test_bytes_that_are_no_message_are_refused(services: Services, method: str, data: bytes):
    code, _ = services.call(method, [data], [services.shown])
    # The last is a field's text that is no UTF-8; of a method without fields it is a field to come.
    assert code in REFUSED or (code is grpc.StatusCode.OK and not METHODS[method].fields)
