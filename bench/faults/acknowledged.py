"""What users were told, written down as it came: nothing of it may be lost or come twice."""

import threading
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class JobRecord:
    """One job as its user saw it: the numbers of its events and steps in the order they came."""

    job_id: str
    key: str
    variant: int
    resumed: bool = False
    last_seq: int = 0
    events_seen_twice: int = 0
    events_missing: int = 0
    samples_of_another_adapter: int = 0
    steps: list[int] = field(default_factory=list)
    cancelled: bool = False
    ended: str = ""
    adapter_digest: str = ""

    def see(self, seq: int) -> bool:
        """Whether this event is the next one."""
        if seq <= self.last_seq:
            self.events_seen_twice += 1
            return False
        self.events_missing += seq - self.last_seq - 1
        self.last_seq = seq
        return True


@dataclass
class Acknowledged:
    """Safe for several threads: each appends, and writes to the records that are its own."""

    jobs: list[JobRecord] = field(default_factory=list)
    uploads: dict[str, str] = field(default_factory=dict)
    comparisons: list[str] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, what: str) -> None:
        with self.lock:
            self.findings.append(what)

    def count_answer(self, status: int) -> None:
        with self.lock:
            self.answers[status] += 1
