"""How those who look at the database learn that there is more to see."""

import asyncio
from contextlib import suppress


class Changes:
    """`count` is read before the database is asked, so that no change in between is missed."""

    def __init__(self) -> None:
        self._condition = asyncio.Condition()
        self._last_by_job: dict[str, int] = {}
        self._stopped = False
        self.count = 0

    async def tell(self, job_id: str = "") -> None:
        """Of a change; of which job, where it is one job's."""
        async with self._condition:
            self.count += 1
            if job_id:
                self._last_by_job[job_id] = self.count
            self._condition.notify_all()

    async def wait(self, count: int, job_id: str = "", most_seconds: float | None = None) -> None:
        """Until there were more than `count`; of the job alone, where one is named. Or until the
        time is over, or nobody is to wait any more."""

        def has_changed() -> bool:
            last = self._last_by_job.get(job_id, 0) if job_id else self.count
            return last > count or self._stopped

        with suppress(TimeoutError):
            async with asyncio.timeout(most_seconds), self._condition:
                await self._condition.wait_for(has_changed)

    async def stop(self) -> None:
        """Nobody waits any more."""
        self._stopped = True
        await self.tell()
