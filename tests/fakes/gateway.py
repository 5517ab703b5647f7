"""A small gateway with the documented routes, which can drop connections and fail."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, UploadFile
from fastapi.responses import JSONResponse, Response, StreamingResponse

RESULT = b"PK" + bytes(range(256)) * 400
TRAINING = {"status": "training", "phase": "learning", "loss": None, "error_message": None}
SCORES = {
    "exact_rate": 0.43,
    "within_one_rate": 0.9,
    "mean_absolute_count_error": 0.7,
    "reward_mean": 0.88,
    "parse_failure_rate": 0.0,
}
EVALUATION = {"num_samples": 216, "base": SCORES, "adapter": SCORES | {"exact_rate": 0.96}}


def step_data(step: int, total_steps: int) -> dict[str, Any]:
    metrics = {"loss": 0.5 / step, "reward_mean": 0.8, "exact_rate": 0.5, "step_seconds": 2.0}
    return {"step": step, "total_steps": total_steps, "metrics": metrics}


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
    url: str = ""
    uploads: list[tuple[str, bytes]] = field(default_factory=list)
    trained: list[dict[str, Any]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
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
        "phase": None,
    }


def _app(fake: FakeGateway) -> FastAPI:
    app = FastAPI()

    @app.middleware("http")
    async def refuse(request: Request, proceed: Any) -> Response:
        if fake.token and request.headers.get("Authorization") != f"Bearer {fake.token}":
            return JSONResponse({"detail": "a token is needed", "errors": []}, 401)
        if fake.refusal:
            return JSONResponse(fake.refusal[1], fake.refusal[0])
        return await proceed(request)

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/upload-data")
    async def upload(file: UploadFile) -> dict[str, Any]:
        fake.uploads.append((file.filename or "", await file.read()))
        return {
            "file_id": f"file-{len(fake.uploads)}",
            "filename": file.filename,
            "upload_time": "2025-01-20T10:30:00",
            "csv_rows": 9,
            "valid_images": 9,
            "warnings": ["images/spare.jpg: no row names it"],
        }

    @app.get("/files")
    def files() -> list[dict[str, Any]]:
        return [{"file_id": "file-1", "filename": "a.zip", "csv_rows": 9, "valid_images": 9}]

    @app.post("/train")
    async def train(request: Request) -> dict[str, str]:
        fake.trained.append(await request.json())
        return {"job_id": "job-1", "status": "training"}

    @app.get("/jobs")
    def jobs() -> list[dict[str, Any]]:
        return [fake.job]

    @app.get("/jobs/{job_id}")
    def job(job_id: str) -> Response:
        if job_id != fake.job["job_id"]:
            return JSONResponse({"detail": f"there is no job {job_id}", "errors": []}, 404)
        return JSONResponse(fake.job)

    @app.delete("/jobs/{job_id}")
    def cancel(job_id: str) -> dict[str, str]:
        fake.cancelled.append(job_id)
        return {"job_id": job_id, "status": "cancelled"}

    @app.get("/jobs/{job_id}/metrics")
    def metrics(job_id: str) -> dict[str, Any]:
        steps = [data for kind, data in fake.events if kind == "step"]
        return {"job_id": job_id, "steps": [s["metrics"] | {"step": s["step"]} for s in steps]}

    @app.get("/jobs/{job_id}/evaluation")
    def evaluation(job_id: str) -> Response:
        return JSONResponse(EVALUATION)

    @app.get("/jobs/{job_id}/events")
    async def events(job_id: str, request: Request) -> Response:
        last = request.headers.get("Last-Event-ID")
        fake.last_event_ids.append(last)
        drop_after = fake.drop_events_after.pop(0) if fake.drop_events_after else None
        stream = _event_stream(fake.events, int(last or 0), drop_after)
        return StreamingResponse(stream, media_type="text/event-stream")

    @app.get("/jobs/{job_id}/download")
    async def download(job_id: str, request: Request) -> Response:
        return _download(fake, request.headers.get("Range"))

    return app


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
