"""What the service knows of the attempts that go on now, by the tokens that their workers show."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from learner_service.blobs.blob_store import BlobStore
from learner_service.errors import NO_ROOM, Superseded
from learner_service.events import Event, WorkerFailed, WorkerStarted
from learner_service.job_folder.commits import Commits
from learner_service.job_folder.task import WorkerTask
from learner_service.worker_access import WorkerAccess
from learner_service.worker_place import WorkerPlace
from tally.host.full_disk import full_disk_as, is_full_disk
from tally.rpc.errors import InvalidArgument, ResourceExhausted
from tally.rpc.settings import ClientSettings

T = TypeVar("T")
_PAUSE_SECONDS = 5.0
_OVER = "this attempt at its job is over; nothing of it is taken any more"


@dataclass(frozen=True)
class HistoryEntry:
    """What transformers logged of a step."""

    fields: dict[str, Any]


@dataclass(frozen=True)
class Acknowledged:
    """Everything up to this number is written down."""

    number: int


@dataclass(frozen=True)
class StopWanted:
    pass


# What a worker is told; an error ends the stream that it is told on.
Word = Acknowledged | StopWanted | Superseded
Message = Event | HistoryEntry
Words = asyncio.Queue[Word | None]
TakeEvent = Callable[[Event], Awaitable[None]]


class WorkerLink:
    """The service's end of one attempt: takes each message once, in order.

    `task` is what its worker is told, as JSON; `failure` is why the attempt gave up, if it said;
    `commits` changes the job's folder for it.
    """

    def __init__(self, task: WorkerTask, access: WorkerAccess) -> None:
        self.access = access
        self.task = task.model_dump_json()
        self.failure: WorkerFailed | None = None
        self.commits = commits_of(task)
        self._attempt = task.this_attempt
        self._worker_log = task.folder.worker_log
        self._received = 0
        self._taken = 0
        self._messages: asyncio.Queue[Message | None] = asyncio.Queue()
        self._words: Words | None = None
        self._stop_wanted = False

    @property
    def variables(self) -> dict[str, str]:
        """What its worker's environment has of it."""
        return self.access.variables

    def open_stream(self) -> Words:
        """What the worker is to be told on a new stream, from what it may have missed on; the one
        before ends."""
        self.close_stream()
        self._words = asyncio.Queue()
        self._tell(Acknowledged(self._taken))
        if self._stop_wanted:
            self._tell(StopWanted())
        return self._words

    def receive(self, number: int, message: Message) -> None:
        """Takes a message, unless it has it. Raises InvalidArgument where one before it is missing,
        Superseded where a later attempt has begun."""
        if number <= self._received:
            return
        if number != self._received + 1:
            raise InvalidArgument(f"number: expected {self._received + 1} next, got {number}")
        self._attempt.check()
        self._received = number
        self._messages.put_nowait(message)

    def fail(self, failure: WorkerFailed) -> None:
        """Of a job's processes others end for the one that failed first."""
        self._attempt.check()
        self.failure = self.failure or failure

    def append_output(self, data: bytes) -> None:
        """What processes on another host have printed, as it came."""
        self._attempt.check()
        with full_disk_as(ResourceExhausted(NO_ROOM)), self._worker_log.open("ab") as log:
            log.write(data)

    def ask_to_stop(self) -> None:
        self._stop_wanted = True
        self._tell(StopWanted())

    async def hand_on(self, take: TakeEvent) -> None:
        """Hands on what comes, in order, and acknowledges it, until `end`. Not on a stream's own
        task: what is half logged must not end with its connection.
        """
        while message := await self._messages.get():
            if isinstance(message, HistoryEntry):
                await self._with_room(self.commits.append_history, message.fields)
            else:
                if isinstance(message, WorkerStarted):
                    step = message.resumed_from_step
                    await self._with_room(self.commits.rewind_history, step)
                await take(message)
            self._taken += 1
            if self._messages.empty():  # one word for all that came at once
                self._tell(Acknowledged(self._taken))

    async def _with_room(self, write: Callable[[T], None], what: T) -> None:
        """Waits while the disk is full, unless the attempt is to end."""
        while True:
            try:
                return await asyncio.to_thread(write, what)
            except Superseded:
                return None
            except OSError as error:
                if self._stop_wanted or not is_full_disk(error):
                    raise
                await asyncio.sleep(_PAUSE_SECONDS)

    def end(self) -> None:
        """There is no worker any more; what has come by now is handed on."""
        self._messages.put_nowait(None)

    def close_stream(self) -> None:
        self._tell(Superseded(_OVER))
        self._words = None

    def _tell(self, word: Word) -> None:
        if self._words:
            self._words.put_nowait(word)


class FarLink:
    """Of an attempt whose service is on another host: its processes reach that by themselves, and
    run at `place`."""

    failure: WorkerFailed | None = None

    def __init__(self, access: WorkerAccess, place: WorkerPlace) -> None:
        self.variables = access.variables | place.variables
        self._ended = asyncio.Event()

    async def hand_on(self, take: TakeEvent) -> None:
        """There is nothing to hand on, until `end`."""
        await self._ended.wait()

    def end(self) -> None:
        self._ended.set()

    def ask_to_stop(self) -> None:
        """Those of the learner's own host are told."""


def commits_of(task: WorkerTask) -> Commits:
    return Commits(
        task.folder,
        task.this_attempt,
        BlobStore(task.blobs),
        task.job_id,
        kept=task.settings.checkpoints_kept,
        needed=task.spec.digests().values(),
    )


class WorkerLinks:
    """Those that are open. `address` is where the workers of this machine reach them: the name of a
    socket that no other machine has, and no folder."""

    def __init__(self) -> None:
        self.address = f"unix-abstract:tally-{secrets.token_hex(16)}"
        self._links: dict[str, WorkerLink] = {}

    def make(self, task: WorkerTask) -> WorkerLink:
        """One for an attempt, which is to be opened."""
        learner = ClientSettings(target=self.address)
        return WorkerLink(task, WorkerAccess(learner=learner, token=secrets.token_urlsafe(32)))

    @contextmanager
    def open(self, link: WorkerLink) -> Iterator[None]:
        """Its token is worth something while the context is open."""
        self._links[link.access.token] = link
        try:
            yield
        finally:
            del self._links[link.access.token]
            link.close_stream()
            link.commits.close()

    def find(self, token: str) -> WorkerLink:
        """Raises Superseded where no attempt goes on that has it."""
        if link := self._links.get(token):
            return link
        raise Superseded(_OVER)
