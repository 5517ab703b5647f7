"""`python -m learner_service.host`: lends this host to a learner until SIGTERM."""

import asyncio
import signal

from learner_service.host.agent import HostAgent
from learner_service.host.host_client import HostClient
from learner_service.host.settings import HostSettings
from tally.host.locks import hold_or_exit
from tally.logs.setup import configure_logging
from tally.rpc.channel import open_channel
from tally.traces.setup import trace_to


async def run(settings: HostSettings) -> None:
    async with open_channel(
        settings.learner, idempotent_methods=(), secret=settings.secret
    ) as channel:
        agent = HostAgent(settings, HostClient(channel))
        running = asyncio.create_task(agent.run())
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, running.cancel)
        await asyncio.gather(running, return_exceptions=True)


def main() -> None:
    settings = HostSettings.read()
    configure_logging("host", settings.log_level, settings.log_format)
    in_use = "another host uses this data_dir; choose another one"
    with (
        hold_or_exit(settings.data_dir, in_use),
        trace_to(settings.trace_endpoint, "host"),
    ):
        asyncio.run(run(settings))


if __name__ == "__main__":
    main()
