"""Real kills: an event that was acknowledged is there whenever the process dies."""

from pathlib import Path

from learner_service.spec import JobSpec
from tests.learner_service.kills import PAUSES_SECONDS, kill_writer
from tests.learner_service.queue.stores import open_store

WRITE_EVENTS = """
import sys
from pathlib import Path
from learner_service.events import StepDone
from tally.job.metrics import StepMetrics
from tests.learner_service.queue.stores import open_store
store = open_store(Path(sys.argv[1]))
step = int(sys.argv[2])
while True:
    step += 1
    store.append("one", StepDone(step=step, total_steps=10**9, metrics=StepMetrics(loss=0.5)))
    print(step, flush=True)
"""


def test_a_killed_writer_leaves_every_acknowledged_event(tmp_path: Path):
    spec = JobSpec(dataset_digest="a" * 64, base_model="small")
    store = open_store(tmp_path)
    store.create("one", spec)
    store.close()
    step = 0
    for pause in PAUSES_SECONDS:
        acknowledged = kill_writer(WRITE_EVENTS, tmp_path, step, pause)
        store = open_store(tmp_path)
        job = store.get("one")
        assert job.current_step >= acknowledged > step
        events = store.events("one", 0, limit=10**6)
        assert [logged.seq for logged in events] == list(range(1, job.last_seq + 1))
        assert [logged.event.step for logged in events] == list(range(1, job.current_step + 1))
        store.close()
        step = job.current_step
