"""The processes that share the work of one job, and what they tell each other."""

import os
import pickle
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from learner_service.errors import RankLost
from learner_service.patience import Patience
from tally.host.torchrun import RANK_VARIABLES

T = TypeVar("T")

DEFAULT_TIMEOUT_SECONDS = 600.0
# Groups with something under way: their end would wait for it.
_UNFINISHED: list[Any] = []


class Ranks:
    """A job's processes: this one's number, from 0, and how many there are.

    What waits for the others is called by all of them, in the same order. It raises RankLost where
    one of them has ended or does not come in time; where that one ended with an error, that error.

    Example, a job of one process:
        >>> with Ranks.alone() as ranks:
        ...     ranks.is_first, ranks.share(["a", "b", "c"]), ranks.whole(["a", "b", "c"])
        (True, ['a', 'b', 'c'], ['a', 'b', 'c'])
    """

    def __init__(
        self,
        *,
        rank: int,
        count: int,
        store: Any = None,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        patience: Patience | None = None,
    ) -> None:
        self._patience = patience or Patience(threading.Event(), timeout_seconds)
        self.rank = rank
        self.count = count
        self._store = store
        self._timeout_seconds = timeout_seconds
        self._timeout = timedelta(seconds=timeout_seconds)
        # Not torch's default group, which libraries would take as theirs to send in.
        self._group: Any = self._open("gloo", dist.ProcessGroupGloo) if count > 1 else None
        self._cuda_group: Any = None

    @classmethod
    def alone(cls) -> "Ranks":
        return cls(rank=0, count=1)

    @classmethod
    def join(
        cls, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS, patience: Patience | None = None
    ) -> "Ranks":
        """Those that torchrun's variables speak of, which are taken out of the environment.

        `timeout_seconds` is how long one of them is waited for, each time, unless `patience` ends.
        A process sees only the GPU that is its own (CUDA_VISIBLE_DEVICES).
        """
        # Whoever else reads them starts a process group of their own: transformers' and
        # accelerate's trainer would train each process on all of the data, and average.
        found = {name: os.environ.pop(name, "") for name in RANK_VARIABLES}
        count = int(found["WORLD_SIZE"] or 1)
        if count == 1:
            return cls.alone()
        rank = int(found["RANK"])
        try:
            timeout = timedelta(seconds=timeout_seconds)
            meeting = rendezvous("env://", rank=rank, world_size=count, timeout=timeout)
            store, _, _ = next(meeting)
            parts: Any = {"store": store, "timeout_seconds": timeout_seconds, "patience": patience}
            return cls(rank=rank, count=count, **parts)
        except RuntimeError as error:
            raise RankLost(
                f"the {count} processes of the job did not find each other in "
                f"{timeout_seconds:g} seconds"
            ) from error

    @property
    def is_first(self) -> bool:
        """Whether this one speaks for all: events, checkpoints, adapters and trackers are its."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> list[T]:
        """This one's of a sequence that all have: every `count`-th, from its own number on."""
        return list(items[self.rank :: self.count])

    def whole(self, own: Sequence[T]) -> list[T]:
        """The sequence that `share` gave each a part of, of what each has made of its part."""
        shares = self.exchange(list(own))
        places = range(sum(len(share) for share in shares))
        return [shares[place % self.count][place // self.count] for place in places]

    def exchange(self, own: T) -> list[T]:
        """What every process gives, in their order."""
        if self.count == 1:
            return [own]
        packed = torch.frombuffer(bytearray(pickle.dumps(own)), dtype=torch.uint8)
        sizes = [int(size) for size in self._gather(torch.tensor([len(packed)]))]
        padded = torch.zeros(max(sizes), dtype=torch.uint8)
        padded[: len(packed)] = packed
        parts = zip(self._gather(padded), sizes, strict=True)
        return [pickle.loads(part[:size].numpy().tobytes()) for part, size in parts]

    def broadcast(self, own: T) -> T:
        """What the first one gives."""
        return self.exchange(own if self.is_first else None)[0]  # type: ignore[return-value]

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Makes every tensor the sum of all processes' own; bit for bit the same on each.

        They travel in one buffer of float32, so that there is one all-reduce, whatever they are.
        """
        if self.count == 1:
            return
        flat = torch.cat([tensor.detach().reshape(-1).float() for tensor in tensors])
        self._add_up_buffer(flat)
        parts = flat.split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.detach().copy_(part.view_as(tensor))

    def gather_into(self, whole: Tensor, part: Tensor) -> None:
        """Makes `whole` all processes' parts, one after another; `part` may lie in it."""
        group = self._group_for(part)
        with self._tell_why():
            self._wait_for(group._allgather_base(whole.view(torch.uint8), part.view(torch.uint8)))

    def open_default_group(self) -> dist.ProcessGroup:
        """torch's, for what asks it who there is. Nothing is to be sent there: who waits in it
        hears neither of a request to stop nor of why another one has ended."""
        if not dist.is_initialized():
            store: Any = PrefixStore("default", self._store)
            who: dict[str, Any] = {"rank": self.rank, "world_size": self.count}
            dist.init_process_group("gloo", store=store, timeout=self._timeout, **who)
        return dist.group.WORLD  # type: ignore[return-value]  # there is one now

    def leave(self, error: BaseException) -> None:
        """Ends what this one has to do with the others; they get `error` where they wait for it."""
        if self._store is not None and self._group is not None:
            with _suppress_lost_store():
                self._store.set(f"left/{self.rank}", _pack(error))
        self.close()

    def close(self) -> None:
        """Whoever waits for this one from now on gets RankLost."""
        self._group = self._cuda_group = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.leave(error)

    def _open(self, name: str, kind: Any) -> Any:
        return kind(PrefixStore(name, self._store), self.rank, self.count, self._timeout)

    def _gather(self, tensor: Tensor) -> list[Tensor]:
        gathered = [torch.empty_like(tensor) for _ in range(self.count)]
        with self._tell_why():
            self._wait_for(self._group.allgather([gathered], [tensor]))
        return gathered

    def _add_up_buffer(self, flat: Tensor) -> None:
        group = self._group_for(flat)
        with self._tell_why():
            self._wait_for(group.allreduce([flat]))

    def _group_for(self, tensor: Tensor) -> Any:
        if not tensor.is_cuda:
            return self._group
        # NCCL would wait for a process that has ended; this finds out.
        self.exchange(None)
        self._cuda_group = self._cuda_group or self._open("nccl", dist.ProcessGroupNCCL)
        return self._cuda_group

    def _wait_for(self, work: Any) -> None:
        try:
            self._patience.wait_for(work)
        except RankLost:
            _UNFINISHED.append((self._group, self._cuda_group))
            raise

    @contextmanager
    def _tell_why(self) -> Iterator[None]:
        """Within it, what torch raises of a connection becomes the reason."""
        if self._group is None:
            raise RankLost("this process has left the others of its job")
        started = time.monotonic()
        try:
            yield
        except RuntimeError as error:
            late = time.monotonic() - started >= self._timeout_seconds
            raise self._why(late) from error

    def _why(self, late: bool) -> BaseException:
        errors = [error for error in self._errors_of_others() if not isinstance(error, RankLost)]
        if errors:
            return errors[0]
        how = f"did nothing for {self._timeout_seconds:g} seconds" if late else "ended"
        return RankLost(f"one of the job's {self.count} processes {how}")

    def _errors_of_others(self) -> Iterator[BaseException]:
        with _suppress_lost_store():
            for rank in range(self.count):
                if self._store.check([f"left/{rank}"]):
                    error: BaseException = pickle.loads(self._store.get(f"left/{rank}"))
                    error.add_note(f"raised in process {rank + 1} of {self.count}")
                    yield error


@contextmanager
def _suppress_lost_store() -> Iterator[None]:
    """What the processes leave for each other may lie with one that is gone."""
    try:
        yield
    except RuntimeError:
        return


def _pack(error: BaseException) -> bytes:
    """Of an error that can't travel, its name."""
    try:
        packed = pickle.dumps(error)
        pickle.loads(packed)
    except Exception:
        return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))
    return packed
