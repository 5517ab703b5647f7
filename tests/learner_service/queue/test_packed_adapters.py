"""The adapters of jobs that have ended, as ZIPs: which there are, and what is in them."""

import io
import json
import uuid
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from learner_service.blobs.blob_store import BlobStore
from learner_service.errors import NoAdapter, NotYet, UnknownJob
from learner_service.events import JobStatus
from learner_service.job_folder.layout import JobFolder
from learner_service.job_folder.output_files import OUTPUT_FILES, STATE
from learner_service.queue.job_store import Job
from learner_service.queue.jobs import Jobs
from learner_service.queue.packed_adapters import PackedAdapters, Which
from learner_service.spec import Evaluation, JobSpec, Training
from tally.job.settings import TrainingConfig
from tally.rpc.digests import digest_of_file
from tests.learner_service.queue.scripted_workers import (
    A_STEP,
    COMPLETED,
    cancelled_at,
    fresh,
    run_job,
)
from tests.waiting import eventually

LAST, BEST = Which.LAST, Which.BEST


def leave_checkpoints(folder: JobFolder, curve: dict[int, float], *steps: int) -> None:
    """What a worker leaves that has scored these steps and saved those."""
    for step in sorted({*curve, *steps}):
        folder.history.append({"step": step, "loss": 0.5})
        if step in curve:
            folder.history.append({"step": step, "eval_exact_rate": curve[step]})
    for step in steps:
        staged = folder.staging / f"checkpoint-{step}"
        staged.mkdir(parents=True)
        for name in (*OUTPUT_FILES, "optimizer.pt"):
            (staged / name).write_text(json.dumps({"of": step}))
        folder.checkpoints.commit(staged)


@pytest.fixture
def evaluating(spec: JobSpec) -> JobSpec:
    work = Training(config=TrainingConfig(evaluation_steps=2), fresh=True)
    return spec.model_copy(update={"work": work})


CONFIG = {
    "peft_type": "LORA",
    "task_type": "CAUSAL_LM",
    "r": 1,
    "lora_alpha": 2,
    "lora_dropout": 0.0,
    "bias": "none",
    "target_modules": ["q_proj"],
}


def save_adapter(checkpoint: Path) -> None:
    """In the place of what is there, as PEFT does it."""
    saved = CONFIG | {"base_model_name_or_path": "small", "inference_mode": True}
    (checkpoint / "adapter_config.json").write_text(json.dumps(saved))
    weights = {"layers.0.lora_A.weight": np.array([[1.0, 2.0]], np.float32)}
    save_file(weights, checkpoint / "adapter_model.safetensors", {"format": "pt"})
    manifest = checkpoint / "manifest.json"
    files = json.loads(manifest.read_text())["files"]
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        files[name] = digest_of_file(checkpoint / name)
    manifest.write_text(json.dumps({"files": files}))


async def cancelled_with(
    jobs: Jobs, workers, spec: JobSpec, curve: dict[int, float], *steps: int
) -> Job:
    job = await cancelled_at(jobs, workers, spec, 0)
    await eventually(lambda: not jobs._queue.running)
    leave_checkpoints(jobs.folder(job.job_id), curve, *steps)
    return job


def contents(store: BlobStore, digest: str) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(store.path(digest).read_bytes())) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


async def test_a_cancelled_job_has_its_last_and_its_best_adapter(jobs, workers, evaluating, store):
    curve = {2: 0.4, 4: 0.7, 6: 0.7}
    job = await cancelled_with(jobs, workers, evaluating, curve, 4, 6, 7)
    last = await jobs.pack_adapter(job.job_id, LAST)
    best = await jobs.pack_adapter(job.job_id, BEST)
    assert (last.step, best.step) == (7, 4)
    for packed in (last, best):
        files = contents(store, packed.digest)
        assert set(files) == set(OUTPUT_FILES)
        assert json.loads(files["adapter_model.safetensors"]) == {"of": packed.step}
        logged = json.loads(files[STATE])["log_history"]
        assert {entry["step"] for entry in logged} == {s for s in (2, 4, 6, 7) if s <= packed.step}
    # A blob that is nobody's may go: the same bytes come again.
    store.delete(best.digest)
    assert await jobs.pack_adapter(job.job_id, BEST) == best
    assert store.size_bytes(best.digest)


async def test_a_completed_job_keeps_its_best_checkpoint_alone(jobs, workers, evaluating, store):
    jobs._store.create("done", evaluating)
    folder = jobs.folder("done")
    folder.prepare()
    leave_checkpoints(folder, {2: 0.7, 4: 0.4}, 2, 3, 4)
    for event in (replace(A_STEP, step=4), COMPLETED):
        jobs._store.append("done", event)
    jobs.claim_blobs()
    assert [path.name for path in folder.checkpoints.path.iterdir()] == ["checkpoint-2"]
    assert (await jobs.pack_adapter("done", LAST)).digest == COMPLETED.result_digest
    assert (await jobs.pack_adapter("done", BEST)).step == 2


async def test_the_best_adapter_is_published_for_replicas_and_found_to_merge(
    jobs, workers, evaluating, store
):
    job = await cancelled_with(jobs, workers, evaluating, {2: 0.7, 4: 0.4}, 2, 4)
    job = await jobs.get(job.job_id)
    folder = jobs.folder(job.job_id)
    assert jobs.adapters.find(job, BEST) == folder.checkpoints.path_of(2)
    assert jobs.adapters.find(job, LAST) == folder.checkpoints.path_of(4)
    save_adapter(folder.checkpoints.path_of(2))
    blob = store.path(jobs.adapters.publish(job, BEST))
    with safe_open(blob, framework="numpy") as file:
        assert json.loads(file.metadata()["adapter_config"]) == CONFIG
        assert file.get_tensor("layers.0.lora_A.weight").tolist() == [[1.0, 2.0]]


async def test_where_the_last_step_is_the_best_its_result_is(jobs, workers, evaluating):
    workers.script = ["completes"]
    job, _ = await run_job(jobs, evaluating)
    await eventually(lambda: not jobs._queue.running)
    folder = jobs.folder(job.job_id)
    folder.history.append({"step": job.current_step, "eval_exact_rate": 0.5})
    for which in (LAST, BEST):
        packed = await jobs.pack_adapter(job.job_id, which)
        assert packed.digest == COMPLETED.result_digest
    assert job.status is JobStatus.COMPLETED


@pytest.mark.parametrize(
    ("left", "refusal"),
    [
        (((), None), (LAST, "ended before its first checkpoint")),
        (((2,), 2), (LAST, "ended before its first checkpoint")),
        (((4, 6), 4), (BEST, "no whole checkpoint of a best step")),
        (((6,), None), (BEST, "no whole checkpoint of a best step")),
    ],
)
async def test_what_is_not_there_is_refused_with_the_reason(
    jobs, workers, evaluating, left, refusal
):
    (steps, damaged), (which, reason) = left, refusal
    job = await cancelled_with(jobs, workers, evaluating, {2: 0.4, 4: 0.7}, *steps)
    if damaged:
        path = jobs.folder(job.job_id).checkpoints.path_of(damaged)
        (path / "optimizer.pt").write_text("other")
    with pytest.raises(NoAdapter, match=reason):
        await jobs.pack_adapter(job.job_id, which)


async def test_who_can_have_none_is_told(jobs, workers, spec, store):
    without = await cancelled_with(jobs, workers, fresh(spec), {}, 3)
    with pytest.raises(NoAdapter, match=r"checkpoint: the job did not evaluate.*ask for last"):
        await jobs.pack_adapter(without.job_id, BEST)
    old = jobs.folder(without.job_id).checkpoints.path_of(3) / "tokenizer.json"
    old.unlink()
    manifest = old.with_name("manifest.json")
    files = json.loads(manifest.read_text())["files"]
    del files[old.name]
    manifest.write_text(json.dumps({"files": files}))
    with pytest.raises(NoAdapter, match="an earlier version left its checkpoint"):
        await jobs.pack_adapter(without.job_id, LAST)
    work = Evaluation(adapter_digest=store.put_bytes(b"adapter"))
    workers.script = ["completes"]
    compared, _ = await run_job(jobs, spec.model_copy(update={"work": work}))
    with pytest.raises(NoAdapter, match="trains none"):
        await jobs.pack_adapter(compared.job_id, LAST)
    with pytest.raises(UnknownJob):
        await jobs.pack_adapter(str(uuid.uuid4()), LAST)


async def test_a_job_that_is_not_over_is_waited_for(jobs, workers, spec, store):
    workers.script = ["waits"]
    job = await jobs.start(str(uuid.uuid4()), spec)
    await workers.started.wait()
    with pytest.raises(NoAdapter, match="has not ended"):
        await jobs.pack_adapter(job.job_id, LAST)
    ended = await jobs.cancel(job.job_id)
    saving = PackedAdapters(store, jobs.folder, is_busy=lambda job_id: True)
    with pytest.raises(NotYet, match="still saving"):
        saving.pack(ended, LAST)
