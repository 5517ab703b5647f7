"""How those who look at the database learn that there is more to see."""

import asyncio


class Changes:
    """`count` is read before the database is asked, so that no change in between is missed."""

    def __init__(self) -> None:
        self._condition = asyncio.Condition()
        self._last_by_job: dict[str, int] = {}
        self._stopped = False
        self.count = 0

    async def tell(self, job_id: str) -> None:
        """Of a change of the job."""
        async with self._condition:
            self.count += 1
            self._last_by_job[job_id] = self.count
            self._condition.notify_all()

    async def wait(self, count: int, job_id: str) -> None:
        """Until there were changes of the job beyond `count`, or nobody is to wait any more."""

        def has_changed() -> bool:
            return self._last_by_job.get(job_id, 0) > count or self._stopped

        async with self._condition:
            await self._condition.wait_for(has_changed)

    async def stop(self) -> None:
        """Nobody waits any more."""
        async with self._condition:
            self._stopped = True
            self._condition.notify_all()
