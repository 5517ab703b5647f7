"""A learner without a policy: real gRPC services, scripted events, failures on purpose.

learner = FakeLearner()
await learner.start()                     # on learner.port, or on the port it had before
learner.steps, learner.step_seconds = 4, 0.05
learner.faults["StartJob"] = [Unavailable("away")]
learner.answers_lost = 1                  # StartJob does its work, then fails
await learner.stop()
"""

import asyncio
import hashlib
import io
import json
import math
import struct
import zipfile
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from learner_service.errors import NoAdapter
from tally.blob.v1 import blob_pb2, blob_pb2_grpc
from tally.learner.v1 import learner_pb2 as pb
from tally.learner.v1 import learner_pb2_grpc
from tally.rpc.errors import (
    AlreadyExists,
    DataLoss,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    OutOfRange,
    TallyError,
    Unavailable,
)
from tally.rpc.server import RpcServer
from tally.rpc.settings import ServerSettings

_CHUNK_BYTES = 64 * 1024
_ENDED = (pb.JOB_STATUS_COMPLETED, pb.JOB_STATUS_FAILED, pb.JOB_STATUS_CANCELLED)
ADAPTER_CONFIG = {
    "peft_type": "LORA",
    "r": 2,
    "lora_alpha": 4,
    "target_modules": ["q_proj"],
    "base_model_name_or_path": "/home/somebody/model",
}
_SCORES = {
    "exact_rate": 0.25,
    "within_one_rate": 0.5,
    "median_absolute_count_error": None,
    "mean_absolute_count_error": None,
    "root_mean_square_count_error": None,
    "far_off_rate": 0.0,
    "reward_mean": 0.5,
    "parse_failure_rate": 1.0,
}
_CALIBRATION = {
    "expected_calibration_error": None,
    "bins": [],
    "abstention": [{"abstain_below": 0.9, "answered_rate": 0.0, "exact_rate": None}],
}
_REPORT = {
    "num_samples": 4,
    **{
        side: {**_SCORES, "intervals": {"exact_rate": [0.1, 0.4], "reward_mean": None}}
        for side in ("base", "adapter", "difference")
    },
    "interval": {"confidence": 0.95, "resamples": 10, "seed": 43},
    "by_count": [{"label": "3", "num_samples": 4, "base": _SCORES, "adapter": _SCORES}],
    "by_kind": [{"label": "apples", "num_samples": 4, "base": _SCORES, "adapter": _SCORES}],
    "matrix": {"true_labels": ["3"], "answer_labels": ["3"], "base": [[4]], "adapter": [[4]]},
    "calibration": dict.fromkeys(("base", "adapter"), _CALIBRATION),
    "warnings": [],
    "worst": [],
    "held_out": None,
}


class FakeLearner(learner_pb2_grpc.LearnerServiceServicer, blob_pb2_grpc.BlobServiceServicer):
    """Runs each job as a task that logs a phase, `steps` steps, an evaluation and the end."""

    def __init__(self) -> None:
        self.port = 0
        self.steps = 3
        self.notice_codes: list[str] = []
        self.end_reason = ""
        self.step_seconds = 0.01
        # What its comparisons warn of, and whether their page is there in English only.
        self.warnings: list[str] = []
        self.cautions: list[dict[str, Any]] = []
        self.is_english_alone = False
        # What it finds, notices or fails with, by its code.
        self.said: pb.CodedMessage | None = None
        self.hold = asyncio.Event()
        self.hold.set()
        self.turn = asyncio.Event()
        self.turn.set()
        self.hold_deletions = asyncio.Event()
        self.hold_deletions.set()
        self.fail_with: str | None = None
        self.base_models: tuple[str, ...] = ()
        self.described_models: list[pb.BaseModel] = []
        self.faults: dict[str, list[TallyError]] = defaultdict(list)
        self.answers_lost = 0
        self.shows_samples = False
        self.preflights: list[pb.JobSpec] = []
        self.questions: list[pb.AnswerRequest] = []
        self.conversations: list[pb.ChatRequest] = []
        self.calls: Counter[str] = Counter()
        self.jobs: dict[str, pb.Job] = {}
        self.queue: list[pb.WaitingJob] = []
        self.logs: dict[str, list[pb.JobEvent]] = {}
        self.blobs: dict[str, bytes] = {}
        self.merged: list[bytes] = [b"PK", b"merged"]
        self.merge_fault: TallyError | None = None  # after its pieces
        self.printed = ""
        self.traceparent = ""  # of every step
        self.loss: Callable[[int], float] = lambda step: 1.0 / step
        self.result_padding = b""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._news = asyncio.Condition()
        self._server: RpcServer | None = None

    async def start(self) -> None:
        settings = ServerSettings(port=self.port)
        names = ("tally.learner.v1.LearnerService", "tally.blob.v1.BlobService")
        self._server = RpcServer(settings, service_names=names, register=self._register)
        self.port = self._server.port
        await self._server.start()
        await self._server.set_serving(True)

    def _register(self, server: grpc.aio.Server) -> None:
        learner_pb2_grpc.add_LearnerServiceServicer_to_server(self, server)
        blob_pb2_grpc.add_BlobServiceServicer_to_server(self, server)

    async def stop(self) -> None:
        """Stops serving; jobs go on, as those of a learner out of reach do."""
        if self._server is not None:
            await self._server.stop(0)
            self._server = None

    async def close(self) -> None:
        await self.stop()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def lose_everything(self) -> None:
        """As a learner whose disk was replaced."""
        for task in self._tasks.values():
            task.cancel()
        self.jobs.clear()
        self.logs.clear()
        self.blobs.clear()

    def _called(self, method: str) -> None:
        self.calls[method] += 1
        if self.faults[method]:
            raise self.faults[method].pop(0)

    async def StartJob(self, request, context):
        self._called("StartJob")
        known = self.jobs.get(request.job_id)
        if known is not None and known.spec != request.spec:
            raise AlreadyExists("job_id: taken by a job with another spec")
        if known is None:
            self._admit(request)
        if self.answers_lost:
            self.answers_lost -= 1
            raise Unavailable("the answer was lost")
        return pb.StartJobResponse(job=self.jobs[request.job_id])

    def _admit(self, request: pb.StartJobRequest) -> None:
        spec = request.spec
        adapters = (one.adapter_digest for one in (spec.train, spec.evaluate, spec.predict))
        for digest in filter(None, (spec.dataset_digest, *adapters)):
            if digest not in self.blobs:
                raise FailedPrecondition("that blob is not here; put it first")
        if self.base_models and spec.base_model and spec.base_model not in self.base_models:
            raise FailedPrecondition("base_model: not on this learner's list")
        self.jobs[request.job_id] = pb.Job(
            job_id=request.job_id,
            spec=spec,
            status=pb.JOB_STATUS_TRAINING,
            phase=pb.JOB_PHASE_QUEUED,
            created_at=_now(),
            output_dir=f"/output/{request.job_id}",
            resumed_from_job_id=self._resumable(spec),
        )
        self.logs[request.job_id] = []
        self._tasks[request.job_id] = asyncio.create_task(self._train(request.job_id))

    def _resumable(self, spec: pb.JobSpec) -> str:
        for job in self.jobs.values():
            same_data = job.spec.dataset_digest == spec.dataset_digest
            if (
                same_data
                and job.spec.train.lora == spec.train.lora
                and job.status == pb.JOB_STATUS_CANCELLED
            ):
                return job.job_id
        return ""

    async def GetJob(self, request, context):
        self._called("GetJob")
        return pb.GetJobResponse(job=self._job(request.job_id))

    async def GetQueue(self, request, context):
        self._called("GetQueue")
        return pb.GetQueueResponse(jobs=self.queue)

    async def GetJobLog(self, request, context):
        self._called("GetJobLog")
        self._job(request.job_id)
        lines = self.printed.splitlines(keepends=True)
        return pb.GetJobLogResponse(text="".join(lines[-request.max_lines :]))

    async def CancelJob(self, request, context):
        self._called("CancelJob")
        job = self._job(request.job_id)
        if job.status not in _ENDED:
            self._tasks[request.job_id].cancel()
            await self._end(job, pb.JOB_STATUS_CANCELLED)
        return pb.CancelJobResponse(job=job)

    async def PackAdapter(self, request, context):
        """Of a job that did a step, what came of it; of one with a curve, at its best step too."""
        self._called("PackAdapter")
        job = self._job(request.job_id)
        is_best = request.checkpoint == pb.ADAPTER_CHECKPOINT_BEST
        if is_best:
            self._check_evaluated(job)
        steps = sum(event.HasField("step_done") for event in self.logs[request.job_id])
        if not steps:
            raise NoAdapter("there is no such adapter")
        step = 2 if is_best else steps
        digest = self._stored(_result_zip(b"step %d" % step))
        return pb.PackAdapterResponse(digest=digest, step=step)

    async def DeleteJob(self, request, context):
        self._called("DeleteJob")
        await self.hold_deletions.wait()
        job = self.jobs.pop(request.job_id, None)
        if job is not None and job.status not in _ENDED:
            self.jobs[job.job_id] = job
            raise FailedPrecondition("job_id: the job has not ended; cancel it first")
        self.logs.pop(request.job_id, None)
        return pb.DeleteJobResponse(deleted=job is not None)

    async def Preflight(self, request, context):
        self._called("Preflight")
        self.preflights.append(request.spec)
        if request.spec.dataset_digest not in self.blobs:
            raise FailedPrecondition("that blob is not here; put it first")
        finding = pb.Finding(
            severity=pb.SEVERITY_ERROR,
            code="not_enough_memory",
            where="train.config.batch_size",
            message="an estimated 9.0 GB are needed",
            suggestion={
                "train.config.batch_size": 4,
                "train.config.use_4bit": 1,
                "train.lora.lora_alpha": 0.5,
            },
            said=self.said,
        )
        return pb.PreflightResponse(
            findings=[finding],
            data=pb.DataSummary(rows=2, images=2, training_rows=2),
            steps=pb.StepPlan(total_steps=50),
            prompt_example=request.spec.train.prompt.question_template,
            memory=pb.MemoryEstimate(
                device="cpu", estimated_bytes=9, weights_bytes=4, loading_bytes=7
            ),
            replica_memory=pb.MemoryEstimate(device="cpu", estimated_bytes=8, caches_bytes=3),
        )

    async def MergeAdapter(self, request, context) -> AsyncIterator[pb.MergeAdapterResponse]:
        self._called("MergeAdapter")
        self._job(request.job_id)
        for piece in self.merged:
            yield pb.MergeAdapterResponse(data=piece)
        if self.merge_fault:
            raise self.merge_fault

    async def Answer(self, request, context):
        self._called("Answer")
        self.questions.append(request)
        base = pb.ModelAnswer(text="many", explanation="holds no number")
        if not request.job_id:
            return pb.AnswerResponse(base=base)
        if self._job(request.job_id).current_step == 0 and not self.logs[request.job_id]:
            raise FailedPrecondition("the job has no adapter yet")
        return pb.AnswerResponse(base=base, adapter=pb.ModelAnswer(text="3 apples", count=3))

    async def Chat(self, request, context):
        self._called("Chat")
        self.conversations.append(request)
        if request.checkpoint == pb.ADAPTER_CHECKPOINT_BEST:
            self._check_evaluated(self._job(request.job_id))
        said = f"{request.messages[-1].text}? 3 apples" if request.job_id else "many"
        return pb.ChatResponse(text=said, is_cut=False, prompt_tokens=20, answer_tokens=4)

    async def ListModels(self, request, context):
        self._called("ListModels")
        models = [pb.BaseModel(name=name) for name in self.base_models or ("small",)]
        return pb.ListModelsResponse(models=self.described_models or models)

    async def WatchJob(self, request, context) -> AsyncIterator[pb.WatchJobResponse]:
        self._called("WatchJob")
        job, seq = self._job(request.job_id), request.after_seq
        while True:
            for event in self.logs[request.job_id][seq:]:
                seq = event.seq
                yield pb.WatchJobResponse(event=event)
            if job.status in _ENDED and seq >= job.last_seq:
                return
            async with self._news:
                await asyncio.wait_for(self._news.wait_for(lambda: job.last_seq > seq), 30)  # noqa: B023

    def _job(self, job_id: str) -> pb.Job:
        if job_id not in self.jobs:
            raise NotFound("job_id: no such job")
        return self.jobs[job_id]

    def _check_evaluated(self, job: pb.Job) -> None:
        if not job.spec.train.config.evaluation_steps:
            raise NoAdapter("there is no such adapter")

    async def log(self, job_id: str, **event) -> None:
        """Appends an event, as log(job_id, notice=pb.Notice(message="…"))."""
        log = self.logs[job_id]
        log.append(pb.JobEvent(seq=len(log) + 1, time=_now(), **event))
        self.jobs[job_id].last_seq = len(log)
        if "step_done" in event:
            self.jobs[job_id].current_step = event["step_done"].step
        async with self._news:
            self._news.notify_all()

    async def _train(self, job_id: str) -> None:
        job = self.jobs[job_id]
        evaluates = job.spec.WhichOneof("work") == "evaluate"
        predicts = job.spec.WhichOneof("work") == "predict"
        await self.turn.wait()
        started = pb.WorkerStarted(attempt=1, resumed_from_step=0, total_steps=self.steps)
        await self.log(job_id, worker_started=started)
        await self.log(job_id, phase_changed=pb.PhaseChanged(phase=pb.JOB_PHASE_LEARNING))
        for step in range(1, 1 + (0 if evaluates or predicts else self.steps)):
            await asyncio.sleep(self.step_seconds)
            await self.hold.wait()
            if self.shows_samples:
                await self.log(job_id, samples_shown=_samples(step))
            metrics = pb.StepMetrics(
                epoch=step / self.steps,
                loss=self.loss(step),
                reward_mean=0.5,
                reward_share_by_component={"progressive_count": 0.5},
                reward_mean_by_component={"progressive_count": 0.25},
            )
            done = pb.StepDone(
                step=step,
                total_steps=self.steps,
                metrics=metrics,
                traceparent=self.traceparent,
            )
            await self.log(job_id, step_done=done)
            await self._evaluate_held_out(job, step)
        digest = self._stored(_result_zip(self.result_padding))
        if evaluates or job.spec.train.evaluation_dataset_digest:
            await self.hold.wait()
            report = await self._evaluate(job_id)
            digest = report if evaluates else digest
        if predicts:
            await self.hold.wait()
            digest = await self._predict(job_id)
        if self.fail_with:
            await self._end(job, pb.JOB_STATUS_FAILED, error_message=self.fail_with, said=self.said)
            return
        for code in self.notice_codes:
            await self.log(
                job_id, notice=pb.Notice(message=f"said {code}", code=code, said=self.said)
            )
        reason = self.end_reason
        await self._end(job, pb.JOB_STATUS_COMPLETED, result_digest=digest, end_reason=reason)

    async def _evaluate_held_out(self, job: pb.Job, step: int) -> None:
        """Its curve is highest at step 2."""
        every = job.spec.train.config.evaluation_steps
        if every and step % every == 0:
            exact_rate = 0.5 if step == 2 else 0.25
            scored = pb.HeldOutScored(
                step=step,
                num_samples=8,
                scores=pb.EvaluationScores(exact_rate=exact_rate, reward_mean=math.nan),
                intervals={"exact_rate": pb.Interval(low=0.125, high=0.75)},
                is_best=step <= 2,
            )
            await self.log(job.job_id, held_out_scored=scored)

    def _stored(self, blob: bytes) -> str:
        digest = hashlib.sha256(blob).hexdigest()
        self.blobs[digest] = blob
        return digest

    async def _evaluate(self, job_id: str) -> str:
        await self.log(job_id, evaluation_progress=pb.EvaluationProgress(answered=2, total=4))
        base = pb.EvaluationScores(exact_rate=0.25, reward_mean=0.5)
        adapter = pb.EvaluationScores(exact_rate=0.75, reward_mean=0.9)
        said = {"warnings": self.warnings, "cautions": self.cautions}
        report = self._stored(_report_zip(job_id, said, is_english_alone=self.is_english_alone))
        done = pb.EvaluationDone(num_samples=4, base=base, adapter=adapter, report_digest=report)
        await self.log(job_id, evaluation_done=done)
        return report

    async def _predict(self, job_id: str) -> str:
        """Says of each row as many apples as its number, surely of the first and less of others."""
        with zipfile.ZipFile(io.BytesIO(self.blobs[self.jobs[job_id].spec.dataset_digest])) as data:
            rows = [json.loads(line) for line in data.read("tally.samples.jsonl").splitlines()]
        answers = [
            {
                "row": row["row"],
                "text": f"={row['row']} apples",
                "count": row["row"] or None,
                "explanation": "" if row["row"] else "holds no number",
                "probability": 0.5 ** row["row"],
            }
            for row in rows
        ]
        done = pb.EvaluationProgress(answered=len(rows), total=len(rows))
        await self.log(job_id, evaluation_progress=done)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("predictions.jsonl", "".join(f"{json.dumps(a)}\n" for a in answers))
        return self._stored(packed.getvalue())

    async def _end(
        self, job: pb.Job, status, *, error_message="", result_digest="", end_reason="", said=None
    ) -> None:
        job.status = status
        job.phase = pb.JOB_PHASE_UNSPECIFIED
        job.error_message, job.result_digest = error_message, result_digest
        ended = pb.JobEnded(
            status=status,
            error_message=error_message,
            result_digest=result_digest,
            end_reason=end_reason,
            said=said,
        )
        await self.log(job.job_id, job_ended=ended)

    async def Stat(self, request, context):
        self._called("Stat")
        blob = self.blobs.get(request.digest)
        return blob_pb2.StatResponse(exists=blob is not None, size_bytes=len(blob or b""))

    async def Put(self, request_iterator, context):
        self._called("Put")
        header, data = None, b""
        async for request in request_iterator:
            if request.WhichOneof("part") == "header":
                header = request.header
            elif request.chunk.offset != len(data):
                raise DataLoss("a chunk is out of place")
            else:
                data += request.chunk.data
        if header is None:
            raise InvalidArgument("the first message holds no header")
        if hashlib.sha256(data).hexdigest() != header.digest:
            raise DataLoss("another digest than the header's")
        created = header.digest not in self.blobs
        self.blobs[header.digest] = data
        return blob_pb2.PutResponse(created=created)

    async def Fetch(self, request, context) -> AsyncIterator[blob_pb2.FetchResponse]:
        self._called("Fetch")
        blob = self.blobs.get(request.digest)
        if blob is None:
            raise NotFound("digest: not here")
        if request.offset > len(blob):
            raise OutOfRange("offset: beyond the end")
        for offset in range(request.offset, len(blob), _CHUNK_BYTES):
            chunk = blob_pb2.BlobChunk(offset=offset, data=blob[offset : offset + _CHUNK_BYTES])
            yield blob_pb2.FetchResponse(chunk=chunk, total_size_bytes=len(blob))


def _now() -> Timestamp:
    timestamp = Timestamp()
    timestamp.GetCurrentTime()
    return timestamp


def _samples(step: int) -> pb.SamplesShown:
    answers = [pb.ShownAnswer(text="3 apples", count=3, reward=1.0), pb.ShownAnswer(text="many")]
    group = pb.ShownGroup(row=2, question="How many?", true_count=3, answers=answers)
    return pb.SamplesShown(step=step, groups=[group])


def _result_zip(padding: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("adapter_config.json", json.dumps(ADAPTER_CONFIG))
        archive.writestr("adapter_model.safetensors", safetensors_bytes())
        archive.writestr("training_args.json", b"{}" + padding)
    return buffer.getvalue()


def safetensors_bytes(data: bytes = b"\0" * 16, **header: object) -> bytes:
    """One tensor of four numbers; `header` replaces parts of its header."""
    name = "base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_A.weight"
    tensor = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
    text = json.dumps({name: tensor | header}).encode()
    return struct.pack("<Q", len(text)) + text + data


def _report_zip(job_id: str, more: dict[str, Any], *, is_english_alone: bool) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("evaluation.json", json.dumps(_REPORT | more))
        if not is_english_alone:
            archive.writestr("evaluation.zh-TW.html", "<!doctype html><html lang=zh-TW>")
        archive.writestr("evaluation.csv", f"row,answer\r\n2,{job_id}\r\n")
        archive.writestr("evaluation.html", "<!doctype html>")
    return buffer.getvalue()
