"""What grpcurl does, in Python: calls without generated code, since a server describes itself."""

from typing import Any

import grpc
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)


class ReflectedServer:
    """A server's services and messages, as its reflection describes them."""

    def __init__(self, channel: grpc.Channel, shown: list[tuple[str, str]]) -> None:
        """`shown` is the metadata of every call; reflection needs none."""
        self._channel = channel
        self._shown = shown
        self._database = ProtoReflectionDescriptorDatabase(channel)
        self._pool = DescriptorPool(self._database)

    def services(self) -> list[str]:
        return list(self._database.get_services())

    def message(self, name: str) -> Descriptor:
        return self._pool.FindMessageTypeByName(name)

    def call(self, method: str, request: dict[str, Any]) -> dict[str, Any]:
        """`method` is `package.Service/Method`; messages are JSON, with the names of the .proto."""
        service, _, name = method.partition("/")
        described = self._pool.FindServiceByName(service).FindMethodByName(name)
        invoke = self._channel.unary_unary(
            f"/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(described.output_type).FromString,
        )
        message = ParseDict(request, GetMessageClass(described.input_type)())
        answer = invoke(message, timeout=60, metadata=self._shown)
        return MessageToDict(answer, preserving_proto_field_name=True)
