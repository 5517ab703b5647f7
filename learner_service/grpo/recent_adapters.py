"""The adapters that the steps after a checkpoint are sampled with: they belong to it.

With a staleness of k, step n is sampled with the adapter of step n - k. Whoever goes on from a
checkpoint at step c asks for the steps c to c + k - 1 again, and needs those of c - k to c - 1.
"""

import shutil
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from peft import PeftModel

from learner_service.grpo.groups import PublishedAdapter
from learner_service.policy.adapters import AdapterPublisher
from learner_service.ranks import Ranks
from learner_service.room_wait import RoomWait
from tally.traces.spans import span

_PREFIX = "sampled_with-"


class RecentAdapters:
    """Publishes a job's adapters, which are the same in every process; the first one makes them
    known, and keeps the last `staleness` of them with a checkpoint."""

    def __init__(
        self, publisher: AdapterPublisher, staleness: int, ranks: Ranks, room: RoomWait
    ) -> None:
        self._publisher = publisher
        self._ranks = ranks
        self._room = room
        self._recent: deque[PublishedAdapter] = deque(maxlen=staleness)

    def publish(self, model: PeftModel, step: int) -> PublishedAdapter:
        """The one that a step is sampled with."""
        adapter = PublishedAdapter(digest=self.make_known(model), step=step)
        self._recent.append(adapter)
        return adapter

    def make_known(self, model: PeftModel) -> str:
        """The digest of the adapter as it is, for whoever asks it anything."""
        is_first = self._ranks.is_first
        with span("publish"):
            digest = self._publish(model) if is_first else ""
        return self._ranks.broadcast(digest)

    def _publish(self, model: PeftModel) -> str:
        return self._room.run(lambda: self._publisher.publish_for_step(model))

    def save(self, folder: Path, model: PeftModel) -> None:
        """Copies them into a checkpoint that is being written, whose own adapter others get."""
        self._publisher.publish_for_checkpoint(model)
        for adapter in self._recent:
            place = folder / f"{_PREFIX}{adapter.step}.safetensors"
            shutil.copyfile(self._publisher.path(adapter.digest), place)

    def load(self, checkpoint: Path | None) -> Sequence[PublishedAdapter]:
        """Makes those of a checkpoint known again, the oldest first; there may be none."""
        found = self._publish_again(checkpoint) if checkpoint and self._ranks.is_first else []
        self._recent.extend(self._ranks.broadcast(found))
        return list(self._recent)

    def _publish_again(self, checkpoint: Path) -> list[PublishedAdapter]:
        paths = {int(p.stem.removeprefix(_PREFIX)): p for p in checkpoint.glob(f"{_PREFIX}*")}
        return [
            PublishedAdapter(digest=self._publisher.publish_file(paths[step]), step=step)
            for step in sorted(paths)
        ]
