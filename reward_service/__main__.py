"""Runs the reward service: python -m reward_service."""

import asyncio
import sys
from collections.abc import Sequence

from pydantic import ValidationError
from pydantic_settings import CliApp, SettingsError

from reward_service.servicer import SERVICE_NAME, RewardServicer
from reward_service.settings import RewardSettings
from rpc.logs import configure_logging
from rpc.server import RpcServer, serve
from tally.reward.v1 import reward_pb2_grpc


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT, then returns 0; 2 where a setting is wrong."""
    options = sys.argv[1:] if arguments is None else list(arguments)
    try:
        settings = CliApp.run(RewardSettings, cli_args=options)
    except ValidationError as error:
        sys.stderr.write(f"{_complaint(error)}\n")
        return 2
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    configure_logging("reward", settings.log_level)
    asyncio.run(_run(settings))
    return 0


async def _run(settings: RewardSettings) -> None:
    server = RpcServer(
        settings.server,
        service_names=[SERVICE_NAME],
        register=lambda server: reward_pb2_grpc.add_RewardServiceServicer_to_server(
            RewardServicer(), server
        ),
    )
    await serve(server, settings.server)


def _complaint(error: ValidationError) -> str:
    details = error.errors(include_url=False)
    return "\n".join(f"{'.'.join(map(str, d['loc']))}: {d['msg']}" for d in details)


if __name__ == "__main__":
    sys.exit(main())
