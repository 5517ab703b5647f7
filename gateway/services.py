"""Everything that lives as long as the server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from gateway.access.access import Access
from gateway.access.token_store import TokenStore
from gateway.database import open_database
from gateway.deletion.deletion_store import DeletionStore
from gateway.deletion.deletions import Deletions
from gateway.deletion.retention import Retention
from gateway.evaluations.evaluations import Evaluations
from gateway.evaluations.predictions import Predictions
from gateway.evaluations.reports import Reports
from gateway.events.event_stream import EventStreams
from gateway.events.wakeups import Wakeups
from gateway.jobs.followers import Followers
from gateway.jobs.job_store import JobStore
from gateway.jobs.jobs import Jobs
from gateway.learner_client import LearnerClient
from gateway.results.results import Results
from gateway.reward_client import RewardClient
from gateway.settings import GatewaySettings
from gateway.steps.curves import Curves
from gateway.steps.shown_steps import ShownSteps
from gateway.storage import NamedFiles, Storage
from gateway.uploads.checking import Checker
from gateway.uploads.file_store import FileStore
from gateway.uploads.pictures import Pictures
from gateway.uploads.uploads import Uploads
from tally.database.database import Database


@dataclass(frozen=True)
class Services:
    settings: GatewaySettings
    access: Access
    database: Database
    storage: Storage
    files: FileStore
    uploads: Uploads
    pictures: Pictures
    jobs: Jobs
    results: Results
    curves: Curves
    shown_steps: ShownSteps
    reports: Reports
    evaluations: Evaluations
    predictions: Predictions
    deletions: Deletions
    streams: EventStreams
    wakeups: Wakeups


@asynccontextmanager
async def open_services(settings: GatewaySettings) -> AsyncIterator[Services]:
    """Brings the tables up to date, sweeps the data folder, and follows unfinished jobs."""
    async with AsyncExitStack() as stack:
        storage, database = Storage(settings.data_dir), open_database(settings)
        stack.callback(storage.close)
        stack.callback(database.close)
        store = JobStore(database, settings.max_jobs_per_owner)
        files = FileStore(database)
        await asyncio.to_thread(_prepare, storage, database, store, files)
        access = Access(TokenStore(database), settings.token, settings.poll_seconds)
        await access.load()
        reward = RewardClient(settings.reward, settings.secret)
        stack.push_async_callback(reward.close)
        learner = LearnerClient(settings.learner, settings.secret)
        stack.push_async_callback(learner.close)
        results = Results(storage, learner)
        wakeups = Wakeups(store, settings.poll_seconds)
        stack.callback(wakeups.stop)
        followers = Followers(
            settings=settings,
            store=store,
            storage=storage,
            learner=learner,
            results=results,
            wake=wakeups.wake,
        )
        stack.push_async_callback(followers.close)
        deletions = Deletions(settings, storage, DeletionStore(database), learner)
        for work in (
            followers.adopt(), wakeups.poll(), access.watch(), storage.keep_reserve(),
            deletions.run(), Retention(settings, storage, database).run(),
        ):  # fmt: skip
            stack.push_async_callback(_cancel, asyncio.create_task(work))
        checker = Checker(settings)
        stack.callback(checker.close)
        uploads = Uploads(settings, storage, files, reward, checker)
        pictures = Pictures(storage)
        stack.callback(pictures.close)
        jobs = Jobs(
            settings=settings,
            storage=storage,
            files=files,
            store=store,
            followers=followers,
            learner=learner,
            reward=reward,
            wake=wakeups.wake,
        )
        streams = EventStreams(settings, store, wakeups)
        evaluations = Evaluations(
            settings=settings,
            storage=storage,
            files=files,
            store=store,
            jobs=jobs,
            checker=checker,
        )
        yield Services(
            settings=settings,
            access=access,
            database=database,
            storage=storage,
            files=files,
            uploads=uploads,
            pictures=pictures,
            jobs=jobs,
            results=results,
            curves=Curves(store),
            shown_steps=ShownSteps(store),
            reports=Reports(store, results),
            evaluations=evaluations,
            predictions=Predictions(settings, storage, jobs, learner, checker),
            deletions=deletions,
            streams=streams,
            wakeups=wakeups,
        )


def _prepare(storage: Storage, database: Database, store: JobStore, files: FileStore) -> None:
    """Brings the tables up to date, and removes the files that none of them names."""
    database.migrate()
    storage.sweep(lambda: _named_files(store, files))


def _named_files(store: JobStore, files: FileStore) -> NamedFiles:
    kept = files.kept_uploads()
    return NamedFiles(
        datasets=kept.dataset_digests,
        uploads=kept.file_ids,
        unfinished_jobs=set(store.ids_to_follow()),
    )


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
