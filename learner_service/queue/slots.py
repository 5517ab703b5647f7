"""The slots of this host: each is room for one job at a time, with GPUs or cores of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from learner_service.settings import LearnerSettings


@dataclass(frozen=True, kw_only=True)
class Slot:
    """`gpus` by the names that CUDA has for them: none where its job sees all there are, or a CPU.
    `threads` are those of all processes of its job together; 0 leaves torch's choice."""

    gpus: tuple[str, ...] = ()
    threads: int = 0

    def threads_of_each(self, processes: int) -> int:
        """Of each process of a job; they follow from settings alone, and so does every bit."""
        return self.threads and max(1, self.threads // processes)


def slots_of(settings: LearnerSettings, gpus: Sequence[str], cores: int) -> list[Slot]:
    """As many as the settings say, and at most as many as the GPUs allow, where there are any.

    Example:
        >>> slots_of(LearnerSettings(gpus_per_job=2), ["0", "1", "2", "3", "4"], cores=16)
        [Slot(gpus=('0', '1'), threads=8), Slot(gpus=('2', '3'), threads=8)]
        >>> slots_of(LearnerSettings(jobs_at_once=2), [], cores=16)
        [Slot(gpus=(), threads=8), Slot(gpus=(), threads=8)]
    """
    if settings.nodes_per_job > 1:  # whose hosts, and whose port, one job has to itself
        return [Slot()]
    size = settings.gpus_per_job
    groups = [tuple(gpus[at : at + size]) for at in range(0, len(gpus), size)]
    whole = [group for group in groups if len(group) == size] or groups[:1]
    wanted = settings.jobs_at_once or len(whole) or 1
    taken = whole[:wanted] or [()] * wanted
    threads = max(1, cores // len(taken)) if len(taken) > 1 else 0
    return [Slot(gpus=group, threads=threads) for group in taken]
