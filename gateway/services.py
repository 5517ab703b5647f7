"""Everything that lives as long as the server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from gateway.access.access import Access
from gateway.access.token_store import TokenStore
from gateway.batches.batches import Batches
from gateway.chat.chats import Chats
from gateway.database import open_database
from gateway.deletion.deletion_store import DeletionStore
from gateway.deletion.deletions import Deletions
from gateway.deletion.retention import Retention
from gateway.evaluations.evaluations import Evaluations
from gateway.evaluations.predictions import Predictions
from gateway.evaluations.reports import Reports
from gateway.events.event_stream import EventStreams
from gateway.events.wakeups import Wakeups
from gateway.http.upload_pace import UploadPace
from gateway.jobs.base_models import BaseModels
from gateway.jobs.followers import Followers
from gateway.jobs.job_lists import JobLists
from gateway.jobs.job_models import PREDICTION
from gateway.jobs.job_store import JobStore
from gateway.jobs.jobs import Jobs
from gateway.jobs.queue_places import QueuePlaces
from gateway.jobs.starting_adapters import StartingAdapters
from gateway.learner_client import LearnerClient
from gateway.metrics import GatewayMetrics
from gateway.results.results import Results
from gateway.reward_client import RewardClient
from gateway.settings import GatewaySettings
from gateway.steps.curves import Curves
from gateway.steps.shown_steps import ShownSteps
from gateway.storage import NamedFiles, Storage
from gateway.uploads.asked_pictures import AskedPictures
from gateway.uploads.checking import Checker
from gateway.uploads.file_store import FileStore
from gateway.uploads.pictures import Pictures
from gateway.uploads.uploads import Uploads
from gateway.webhooks.webhook_store import WebhookStore
from gateway.webhooks.webhooks import Webhooks
from tally.database.database import Database


@dataclass(frozen=True)
class Services:
    settings: GatewaySettings
    access: Access
    database: Database
    storage: Storage
    files: FileStore
    uploads: Uploads
    upload_pace: UploadPace
    pictures: Pictures
    jobs: Jobs
    queue_places: QueuePlaces
    results: Results
    curves: Curves
    shown_steps: ShownSteps
    reports: Reports
    evaluations: Evaluations
    predictions: Predictions
    chats: Chats
    batches: Batches
    models: BaseModels
    deletions: Deletions
    streams: EventStreams
    wakeups: Wakeups


@asynccontextmanager
async def open_services(
    settings: GatewaySettings, metrics: GatewayMetrics
) -> AsyncIterator[Services]:
    """Brings the tables up to date, sweeps the data folder, and follows unfinished jobs."""
    async with AsyncExitStack() as stack:
        storage, database = Storage(settings.data_dir), open_database(settings)
        stack.callback(storage.close)
        stack.callback(database.close)
        store = JobStore(database, settings.max_jobs_per_owner)
        files, lists = FileStore(database), JobLists(database)
        await asyncio.to_thread(_prepare, storage, database, store, lists, files)
        access = Access(TokenStore(database), settings.token, settings.poll_seconds)
        await access.load()
        reward = RewardClient(settings.reward, settings.secret)
        stack.push_async_callback(reward.close)
        learner = LearnerClient(settings.learner, settings.secret)
        stack.push_async_callback(learner.close)
        results, models = Results(storage, learner), BaseModels(settings, learner)
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
            Webhooks(settings, WebhookStore(database)).run(),
        ):  # fmt: skip
            stack.push_async_callback(_cancel, asyncio.create_task(work))
        upload_pace = UploadPace(settings.max_upload_rate)
        checker = Checker(settings, upload_pace)
        stack.callback(checker.close)
        adapters = StartingAdapters(
            settings=settings,
            storage=storage,
            files=files,
            store=store,
            results=results,
            checker=checker,
        )
        uploads = Uploads(settings, storage, files, reward, checker, note=metrics.note_upload)
        pictures = Pictures(storage)
        stack.callback(pictures.close)
        jobs = Jobs(
            settings=settings,
            storage=storage,
            files=files,
            store=store,
            lists=lists,
            followers=followers,
            learner=learner,
            reward=reward,
            adapters=adapters,
            models=models,
            wake=wakeups.wake,
        )
        asked = AskedPictures(settings, checker)
        streams = EventStreams(settings, store, wakeups)
        metrics.read_streams(lambda: streams.in_use)
        evaluations = Evaluations(
            settings=settings,
            storage=storage,
            files=files,
            store=store,
            lists=lists,
            jobs=jobs,
            checker=checker,
        )
        batches = Batches(
            settings=settings,
            storage=storage,
            store=store,
            lists=lists,
            jobs=jobs,
            models=models,
            results=results,
            checker=checker,
        )
        yield Services(
            settings=settings,
            access=access,
            database=database,
            storage=storage,
            files=files,
            uploads=uploads,
            upload_pace=upload_pace,
            pictures=pictures,
            jobs=jobs,
            queue_places=QueuePlaces(learner),
            results=results,
            curves=Curves(store),
            shown_steps=ShownSteps(store),
            reports=Reports(store, results),
            evaluations=evaluations,
            predictions=Predictions(storage, jobs, models, learner, asked),
            chats=Chats(jobs, models, learner, asked),
            models=models,
            batches=batches,
            deletions=deletions,
            streams=streams,
            wakeups=wakeups,
        )


def _prepare(
    storage: Storage, database: Database, store: JobStore, lists: JobLists, files: FileStore
) -> None:
    """Brings the tables up to date, and removes the files that none of them names."""
    database.migrate()
    storage.sweep(lambda: _named_files(store, lists, files))


def _named_files(store: JobStore, lists: JobLists, files: FileStore) -> NamedFiles:
    kept = files.kept_uploads()
    return NamedFiles(
        datasets=kept.dataset_digests,
        uploads=kept.file_ids,
        unfinished_jobs=set(store.ids_to_follow()),
        batches={job.job_id for job in lists.newest_first(PREDICTION, owner=None)},
    )


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
