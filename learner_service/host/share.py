"""A job's share on a further host: its data, its checkpoint, and the task as it reads here."""

import asyncio
import json
import shutil

from learner_service.blobs.blob_store import BlobStore
from learner_service.host.settings import HostSettings
from learner_service.job_folder.layout import JobFolder
from learner_service.job_folder.state import unpack_state
from learner_service.job_folder.task import WorkerTask
from learner_service.queue.hosts import StartRanks
from tally.rpc.blobs import BlobClient
from tally.rpc.names import model_name


class Shares:
    """Makes them ready under the host's data_dir, for one job at a time."""

    def __init__(self, settings: HostSettings, blobs: BlobClient) -> None:
        self._settings = settings
        self._client = blobs
        self._root = settings.data_dir.resolve()

    async def prepare(self, order: StartRanks) -> WorkerTask:
        """Fetches what the task needs. Raises as BlobClient.fetch."""
        task = self._localise(order.task)
        await asyncio.to_thread(self._clear, task)
        store = BlobStore(task.blobs)
        digest = task.spec.dataset_digest
        if store.size_bytes(digest) is None:
            with store.stage() as staged:
                await self._client.fetch_file(digest, staged)
                store.keep(staged, digest)
        if order.state_digest:
            archive = self._root / "state.zip"
            await self._client.fetch_file(order.state_digest, archive)
            await asyncio.to_thread(unpack_state, archive, task.folder)
        return task

    def _localise(self, text: str) -> WorkerTask:
        """The learner's task with this host's folders, targets and interface in it."""
        own, fields = self._settings, json.loads(text)
        # Only the first process of a job has trackers.
        settings: dict[str, object] = {
            "data_dir": str(self._root),
            "feature_folder": None,
            "report_to": [],
            "log_level": own.log_level,
            "log_format": own.log_format,
            "services_secret": own.services_secret,
            "services_secret_path": own.services_secret_path,
        }
        for name in ("rollout", "reward"):
            if client := getattr(own, name):
                settings[name] = client.model_dump(mode="json")
        fields["settings"] |= settings
        fields["launch"]["rendezvous"]["interface"] = own.interface
        fields["folder_path"] = str(JobFolder.of_job(self._root, fields["job_id"]).path)
        fields["blobs"] = str(self._root / "blobs")
        sources = {model_name(source): source for source in own.models}
        base_model = fields["spec"]["base_model"]
        fields["model_source"] = sources.get(base_model, fields["model_source"])
        return WorkerTask.model_validate(fields)

    def _clear(self, task: WorkerTask) -> None:
        """Of earlier jobs nothing is needed, of this one its data."""
        jobs = task.folder_path.parent
        if not task.folder_path.exists():
            shutil.rmtree(task.blobs, ignore_errors=True)
        shutil.rmtree(jobs, ignore_errors=True)
        task.folder_path.mkdir(parents=True)
