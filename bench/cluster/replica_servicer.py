"""`python -m bench.cluster.replica_servicer NUMBER FILE`: servers that answer as replicas do.

One process, so that hundreds fit on a machine; to a client each port is a replica of its own. FILE
gets their ports, one a line.
"""

import asyncio
import logging
import sys
from pathlib import Path

import grpc

from tally.rollout.v1 import rollout_pb2 as pb
from tally.rollout.v1.rollout_pb2_grpc import (
    RolloutServiceServicer,
    add_RolloutServiceServicer_to_server,
)

_HOST = "127.0.0.1"
_TOKENS = 16


class _WaitingReplica(RolloutServiceServicer):
    """Samples nothing: the prompt's first token, again and again."""

    async def GetModel(
        self, request: pb.GetModelRequest, context: grpc.aio.ServicerContext
    ) -> pb.GetModelResponse:
        return pb.GetModelResponse(base_model="none", engine="waiting")

    async def Generate(
        self, request: pb.GenerateRequest, context: grpc.aio.ServicerContext
    ) -> pb.GenerateResponse:
        completion = pb.Completion(
            token_ids=[request.prompt_token_ids[0]] * _TOKENS,
            log_probabilities=[-0.5] * _TOKENS,
            finish_reason=pb.FINISH_REASON_LENGTH,
            adapter_digest=request.adapter_digest,
        )
        return pb.GenerateResponse(completions=[completion] * request.num_completions)


async def _serve(number: int, ports_file: Path) -> None:
    servers = []
    for _ in range(number):
        server = grpc.aio.server()
        add_RolloutServiceServicer_to_server(_WaitingReplica(), server)
        servers.append((server, server.add_insecure_port(f"{_HOST}:0")))
        await server.start()
    ports_file.write_text("\n".join(str(port) for _, port in servers))
    logging.warning("listening on %s:%d", _HOST, servers[0][1])
    await servers[0][0].wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), Path(sys.argv[2])))
