"""A small gateway with the documented routes, which can drop connections and fail."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from gateway.jobs.train_models import TrainRequest
from tests.fakes.gateway_answers import EVALUATION, PREDICTION, PREFLIGHT, REWARDS, SAMPLES

NO_FILE = "00000000-0000-0000-0000-000000000000"
RESULT = b"PK" + bytes(range(256)) * 400
TRAINING = {"status": "training", "phase": "learning", "loss": None, "error_message": None}


def step_data(step: int, total_steps: int) -> dict[str, Any]:
    metrics = {"loss": 0.5 / step, "reward_mean": 0.8, "exact_rate": 0.5, "step_seconds": 2.0}
    return {"step": step, "total_steps": total_steps, **metrics}


def completed_events(steps: int = 3) -> list[tuple[str, dict[str, Any]]]:
    """A short job's log, from its first worker to its end."""
    return [
        ("worker", {"attempt": 1, "resumed_from_step": 0, "total_steps": steps}),
        ("phase", {"phase": "learning"}),
        *(("step", step_data(step, steps)) for step in range(1, steps + 1)),
        ("notice", {"message": "A broken checkpoint was passed over."}),
        ("evaluation_progress", {"answered": 108, "total": 432}),
        ("evaluation", EVALUATION),
        ("ended", {"status": "completed", "error_message": ""}),
    ]


@dataclass
class FakeGateway:
    """What the fake answers, and what it was asked."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=completed_events)
    drop_events_after: list[int] = field(default_factory=list)
    drop_download_after_bytes: list[int] = field(default_factory=list)
    ignore_range: bool = False
    refusal: tuple[int, dict[str, Any]] | None = None
    token: str | None = None
    job: dict[str, Any] = field(default_factory=lambda: _job("completed"))
    other_jobs: list[dict[str, Any]] = field(default_factory=list)
    listed: list[dict[str, str]] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)
    log: str = ""
    url: str = ""
    status_after_cancel: str = "cancelled"
    comparison_status: str = "completed"
    preflight: dict[str, Any] = field(default_factory=lambda: dict(PREFLIGHT))
    prediction: dict[str, Any] = field(default_factory=lambda: dict(PREDICTION))
    has_page: bool = True
    uploads: list[tuple[str, bytes]] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    trained: list[dict[str, Any]] = field(default_factory=list)
    refuses_settings: str = ""
    dry_runs: list[dict[str, Any]] = field(default_factory=list)
    evaluated: list[dict[str, Any]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    languages: list[str | None] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    downloaded: list[str] = field(default_factory=list)
    last_event_ids: list[str | None] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)


def _job(status: str) -> dict[str, Any]:
    return {
        "job_id": "job-1",
        "job_name": "apples",
        "status": status,
        "progress": 100.0,
        "current_step": 3,
        "total_steps": 3,
        "loss": 0.125,
        "created_at": "2025-01-20T10:30:00",
        "error_message": None,
        "output_dir": "out",
        "tags": ["red"],
        "notes": "",
        "phase": None,
    }


def _app(fake: FakeGateway) -> FastAPI:
    app = FastAPI()

    @app.middleware("http")
    async def refuse(request: Request, proceed: Any) -> Response:
        fake.languages.append(request.headers.get("Accept-Language"))
        if fake.token and request.headers.get("Authorization") != f"Bearer {fake.token}":
            return JSONResponse({"detail": "a token is needed", "errors": []}, 401)
        if fake.refusal:
            return JSONResponse(fake.refusal[1], fake.refusal[0])
        return await proceed(request)

    @app.get("/")
    def about() -> Response:
        return Response("It works!")

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/upload-data")
    async def upload(request: Request) -> dict[str, Any]:
        filename = await _received(fake, request, "file")
        return {
            "file_id": f"file-{len(fake.uploads)}",
            "filename": filename,
            "upload_time": "2025-01-20T10:30:00",
            "kind": "data",
            "csv_rows": 9,
            "valid_images": 9,
            "warnings": ["images/spare.jpg: no row names it"],
            "skipped_rows": 1,
            "skipped": [{"row": 7, "code": "image_missing", "message": "a.png is not in the ZIP"}],
        }

    @app.get("/files")
    def files() -> list[dict[str, Any]]:
        data = {"file_id": "file-1", "filename": "a.zip", "csv_rows": 9, "valid_images": 9}
        nothing = {"csv_rows": 0, "valid_images": 0}
        adapter = {"file_id": "weights-1", "filename": "weights.zip", "kind": "adapter", **nothing}
        return [data | {"kind": "data"}, adapter]

    @app.get("/models")
    def models() -> list[dict[str, Any]]:
        licence = {"title": "Qwen Research License Agreement", "is_for_research_only": True}
        known = {"family": "qwen2_5_vl", "licence": licence, "parameters": 3_754_622_976}
        unknown = {"family": None, "licence": None, "parameters": None}
        return [
            {"name": "Qwen/Qwen2.5-VL-3B-Instruct", "is_default": True, **known},
            {"name": "mine", "is_default": False, **unknown},
        ]

    @app.post("/train")
    async def train(request: Request, dry_run: bool = False) -> Any:
        body = await request.json()
        if fake.refuses_settings:
            return JSONResponse({"detail": fake.refuses_settings, "errors": []}, 422)
        if body["data_file_id"] == NO_FILE:
            return JSONResponse({"detail": "no such file", "errors": []}, 404)
        if dry_run:
            fake.dry_runs.append(body)
            return fake.preflight
        fake.trained.append(body)
        return {"job_id": "job-1", "status": "training"}

    @app.get("/rewards")
    def rewards() -> list[dict[str, Any]]:
        return REWARDS

    @app.get("/jobs")
    def jobs(request: Request) -> list[dict[str, Any]]:
        fake.listed.append(dict(request.query_params))
        return [*fake.other_jobs, fake.job]

    @app.get("/jobs/{job_id}")
    def job(job_id: str) -> Response:
        if job_id != fake.job["job_id"]:
            return JSONResponse({"detail": f"there is no job {job_id}", "errors": []}, 404)
        return JSONResponse(fake.job)

    @app.patch("/jobs/{job_id}")
    async def update(job_id: str, request: Request) -> dict[str, Any]:
        fake.changes.append(await request.json())
        return fake.job | fake.changes[-1]

    @app.delete("/jobs/{job_id}")
    def cancel(job_id: str, purge: bool = False) -> dict[str, str]:
        (fake.deleted if purge else fake.cancelled).append(job_id)
        return {"job_id": job_id, "status": fake.status_after_cancel}

    @app.get("/jobs/{job_id}/metrics")
    def metrics(job_id: str) -> dict[str, Any]:
        steps, evaluations = (
            [data for kind, data in fake.events if kind == one] for one in ("step", "held_out")
        )
        return {"job_id": job_id, "steps": steps, "evaluations": evaluations}

    @app.get("/jobs/{job_id}/settings")
    def settings(job_id: str) -> dict[str, Any]:
        return {"job_name": "apples", "data_file_id": "file-1", "lora_config": {"r": 8}}

    @app.get("/jobs/{job_id}/log")
    def log(job_id: str, lines: int) -> Response:
        return Response("".join(fake.log.splitlines(keepends=True)[-lines:]))

    @app.get("/jobs/{job_id}/samples")
    def samples(job_id: str, steps: int) -> dict[str, Any]:
        return SAMPLES | {"steps": SAMPLES["steps"][:steps]}

    @app.get("/jobs/{job_id}/events")
    async def events(job_id: str, request: Request) -> Response:
        last = request.headers.get("Last-Event-ID")
        fake.last_event_ids.append(last)
        drop_after = fake.drop_events_after.pop(0) if fake.drop_events_after else None
        stream = _event_stream(fake.events, int(last or 0), drop_after)
        return StreamingResponse(stream, media_type="text/event-stream")

    @app.get("/jobs/{job_id}/download")
    async def download(
        job_id: str, request: Request, checkpoint: str = "last", form: str = "adapter"
    ) -> Response:
        fake.downloaded.append(checkpoint)
        if form == "merged":
            fake.ranges.append(request.headers.get("Range"))
            return StreamingResponse(iter([b"PK merged ", job_id.encode()]))
        return _download(fake, request.headers.get("Range"))

    _add_data_routes(app, fake)
    _add_comparison_routes(app, fake)
    _add_page_routes(app, fake)
    return app


def _add_data_routes(app: FastAPI, fake: FakeGateway) -> None:
    @app.delete("/files/{file_id}")
    def delete(file_id: str) -> dict[str, str]:
        fake.deleted.append(file_id)
        return {"file_id": file_id}

    @app.get("/files/{file_id}/rows")
    def rows(file_id: str, offset: int, limit: int) -> dict[str, Any]:
        asked = {"image": "images/a.jpg", "question": "How many?", "answer": "3", "true_count": 3}
        listed = [{"row": row, **asked} for row in range(2, 11)]
        page = listed[offset : offset + limit]
        return {"file_id": file_id, "csv_rows": 9, "offset": offset, "rows": page}

    @app.get("/files/{file_id}/images/{row}")
    def picture(file_id: str, row: int, max_side: int | None = None) -> Response:
        if row > 10:
            return JSONResponse({"detail": f"there is no row {row}", "errors": []}, 404)
        return Response(f"{file_id} {row} {max_side}".encode(), media_type="image/jpeg")


def _add_comparison_routes(app: FastAPI, fake: FakeGateway) -> None:
    def summary(evaluation_id: str) -> dict[str, Any]:
        status = fake.comparison_status
        own = {"evaluation_id": evaluation_id, "job_id": "job-1", "file_id": "file-1"}
        return own | {"status": status, "progress": 0.0, "created_at": "2025-01-20T10:30:00"}

    @app.get("/jobs/{job_id}/evaluation")
    def evaluation(job_id: str) -> Response:
        if job_id == "job-0":
            return JSONResponse({"detail": "there is no comparison", "errors": []}, 409)
        return JSONResponse(EVALUATION)

    @app.get("/jobs/{job_id}/evaluation.{kind}")
    def file(job_id: str, kind: str) -> Response:
        return Response(f"{kind} of {job_id}")

    @app.post("/jobs/{job_id}/evaluate")
    async def evaluate(job_id: str, request: Request) -> dict[str, Any]:
        fake.evaluated.append(await request.json())
        return summary("eval-1") | {"status": "running", "evaluation": None}

    @app.post("/evaluations")
    async def evaluate_adapter(request: Request) -> dict[str, Any]:
        await _received(fake, request, "adapter")
        return summary("eval-1") | {"status": "running", "evaluation": None}

    @app.get("/evaluations")
    def listed(job_id: str | None = None) -> list[dict[str, Any]]:
        return [summary("eval-1")]

    @app.get("/evaluations/{evaluation_id}")
    def one(evaluation_id: str) -> dict[str, Any]:
        found = EVALUATION if fake.comparison_status == "completed" else None
        return summary(evaluation_id) | {"evaluation": found}

    @app.delete("/evaluations/{evaluation_id}")
    def delete(evaluation_id: str, purge: bool = False) -> dict[str, Any]:
        assert purge
        fake.deleted.append(evaluation_id)
        return summary(evaluation_id)

    def batch() -> dict[str, Any]:
        own = {"prediction_id": "pred-1", "name": "shelf", "job_id": "job-1", "question": "How?"}
        return own | {"status": "completed", "progress": 100.0, "created_at": "2025-01-20T10:30:00"}

    @app.post("/predictions")
    async def predict_all(request: Request) -> dict[str, Any]:
        await _received(fake, request, "file")
        return batch() | {"status": "running"}

    @app.get("/predictions")
    def predictions() -> list[dict[str, Any]]:
        return [batch()]

    @app.get("/predictions/{prediction_id}")
    def prediction(prediction_id: str) -> dict[str, Any]:
        return batch()

    @app.get("/predictions/{prediction_id}/answers.csv")
    def answers(prediction_id: str, abstain_below: float | None = None) -> Response:
        return Response(f"image,{abstain_below}\r\n")

    @app.delete("/predictions/{prediction_id}")
    def delete_prediction(prediction_id: str, purge: bool = False) -> dict[str, Any]:
        assert purge
        fake.deleted.append(prediction_id)
        return batch()

    @app.post("/predict")
    async def predict(request: Request) -> dict[str, Any]:
        await _received(fake, request, "image")
        return fake.prediction


def _add_page_routes(app: FastAPI, fake: FakeGateway) -> None:
    @app.get("/ui/presets.json")
    def presets() -> Response:
        if not fake.has_page:
            return JSONResponse({"detail": "Not Found"}, 404)
        quick = {"training_config": {"num_epochs": 5, "seed": 7}, "lora_config": {"r": 16}}
        return JSONResponse({"presets": {"quick": quick, "balanced": {}}})

    schema = TrainRequest.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = {**schema.pop("$defs"), "TrainRequest": schema}
    app.openapi = lambda: {"components": {"schemas": schemas}}  # type: ignore[method-assign]


async def _received(fake: FakeGateway, request: Request, part: str) -> str:
    """Keeps the form's file and its texts → the file's name."""
    async with request.form() as form:
        file = form[part]
        name = file.filename or ""
        fake.uploads.append((name, await file.read()))
        fake.forms.append({key: value for key, value in form.items() if key != part})
    return name


def _event_stream(
    events: list[tuple[str, dict[str, Any]]], last: int, drop_after: int | None
) -> Iterator[str]:
    yield ": heartbeat\n\n"
    for seq, (kind, data) in enumerate(events, start=1):
        if seq <= last:
            continue
        if drop_after is not None and seq > drop_after:
            return
        yield f"event: {kind}\nid: {seq}\ndata: {json.dumps({'seq': seq, **data})}\n\n"


def _download(fake: FakeGateway, asked: str | None) -> Response:
    fake.ranges.append(asked)
    start = 0 if asked is None or fake.ignore_range else int(asked[6:-1])
    if asked and start >= len(RESULT):
        return JSONResponse({"detail": "no such range", "errors": []}, 416)
    body = RESULT[start:]
    headers = {"Content-Length": str(len(body))}
    if start:
        headers["Content-Range"] = f"bytes {start}-{len(RESULT) - 1}/{len(RESULT)}"
    if fake.drop_download_after_bytes:
        body = body[: fake.drop_download_after_bytes.pop(0)]
    return StreamingResponse(iter([body]), 206 if start else 200, headers)


@contextmanager
def running_gateway(fake: FakeGateway) -> Iterator[FakeGateway]:
    """Serves the fake on a free port; its `url` says where."""
    config = uvicorn.Config(_app(fake), port=0, log_level="critical", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    fake.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        server.should_exit = True
        thread.join(10)
