"""Everything that lives as long as the server, and how handlers reach it."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from sqlmodel import col, select

from gateway.database import Database
from gateway.evaluations.evaluations import Evaluations
from gateway.evaluations.predictions import Predictions
from gateway.evaluations.reports import Reports
from gateway.events.event_stream import EventStreams
from gateway.events.wakeups import Wakeups
from gateway.jobs.followers import Followers
from gateway.jobs.job_models import Job
from gateway.jobs.job_store import JobStore
from gateway.jobs.jobs import Jobs
from gateway.learner_client import LearnerClient
from gateway.reward_client import RewardClient
from gateway.settings import Settings
from gateway.storage import Storage
from gateway.uploads.file_models import StoredFile
from gateway.uploads.pictures import Pictures
from gateway.uploads.uploads import Uploads

# Calls of the database that may wait at once. Python's own number is that of the cores, so that
# a few writers at a lock would hold up every reader. It leaves connections to sync routes.
_DATABASE_CALLS = 24


@dataclass(frozen=True)
class Services:
    settings: Settings
    database: Database
    storage: Storage
    learner: LearnerClient
    uploads: Uploads
    pictures: Pictures
    jobs: Jobs
    reports: Reports
    evaluations: Evaluations
    predictions: Predictions
    streams: EventStreams
    wakeups: Wakeups


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Brings the tables up to date, sweeps the data folder, and follows unfinished jobs."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_DATABASE_CALLS, "calls"))
    async with AsyncExitStack() as stack:
        storage, database = await asyncio.to_thread(_prepare, settings)
        stack.callback(storage.close)
        stack.callback(database.close)
        reward = RewardClient(settings.reward)
        stack.push_async_callback(reward.close)
        learner = LearnerClient(settings.learner)
        stack.push_async_callback(learner.close)
        store = JobStore(database)
        wakeups = Wakeups(store, settings.poll_seconds)
        stack.callback(wakeups.stop)
        followers = Followers(settings, store, storage, learner, wakeups)
        stack.push_async_callback(followers.close)
        for work in (followers.adopt(), wakeups.poll()):
            stack.push_async_callback(_cancel, asyncio.create_task(work))
        uploads = Uploads(settings, storage, database, reward)
        stack.callback(uploads.close)
        pictures = Pictures(storage, database)
        stack.callback(pictures.close)
        jobs = Jobs(
            settings=settings,
            storage=storage,
            database=database,
            store=store,
            followers=followers,
            learner=learner,
            reward=reward,
            wakeups=wakeups,
        )
        streams = EventStreams(settings, store, wakeups)
        evaluations = Evaluations(settings, storage, database, store, jobs)
        yield Services(
            settings=settings,
            database=database,
            storage=storage,
            learner=learner,
            uploads=uploads,
            pictures=pictures,
            jobs=jobs,
            reports=Reports(store, storage, learner),
            evaluations=evaluations,
            predictions=Predictions(settings, storage, jobs, learner),
            streams=streams,
            wakeups=wakeups,
        )


def _prepare(settings: Settings) -> tuple[Storage, Database]:
    storage = Storage(settings.data_dir)
    database = Database(settings)
    database.migrate()
    with database.reading() as session:
        files = session.exec(select(StoredFile.dataset_digest, StoredFile.file_id)).all()
        unfinished = session.exec(select(Job.job_id).where(col(Job.log_complete).is_(False))).all()
    storage.sweep(
        datasets={digest for digest, _ in files},
        files={file_id for _, file_id in files},
        evaluations=set(unfinished),
    )
    return storage, database


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _services(request: Request) -> Services:
    return request.app.state.services


ServicesDep = Annotated[Services, Depends(_services)]
