"""Every route of the OpenAPI document × who asks: nobody, a reader, another owner."""

import json
import re
from typing import NamedTuple

import pytest

from tests.fakes.learner import ADAPTER_CONFIG, safetensors_bytes
from tests.gateway.packing import good_zip, image_bytes, pack

# In no OpenAPI document, and guarded alike.
BESIDE = ["/docs", "/redoc", "/openapi.json", "/nowhere", "/jobs/x/nowhere"]
ABOUT_NOBODYS = {"/", "/data-format", "/healthz"}
LISTS = {"/files", "/jobs", "/evaluations", "/predictions"}
SOMEBODYS = re.compile(r"\{(file_id|job_id|evaluation_id|prediction_id|model)\}")


class Things(NamedTuple):
    """What alice has; and the headers of three who may ask."""

    file_id: str
    job_id: str
    evaluation_id: str
    prediction_id: str
    alice: dict[str, str]
    reader: dict[str, str]
    bob: dict[str, str]


class Request(NamedTuple):
    method: str
    path: str
    options: dict


@pytest.fixture
async def things(gateway) -> Things:
    alice = await gateway.new_token("alice", "writer")
    reader = await gateway.new_token("alice-looks", "reader", owner="alice")
    bob = await gateway.new_token("bob", "writer")
    gateway.client.headers.update(alice)
    job_id = await gateway.start_job()
    await gateway.until(job_id, "completed")
    file_id = (await gateway.job(job_id))["data_file_id"]
    compared = await gateway.client.post(f"/jobs/{job_id}/evaluate", json={"file_id": file_id})
    files = {"file": ("a.zip", pack({"a.png": image_bytes()}))}
    asked = await gateway.client.post("/predictions", files=files, data={"question": "How many?"})
    del gateway.client.headers["Authorization"]
    evaluation_id, prediction_id = compared.json()["evaluation_id"], asked.json()["prediction_id"]
    return Things(file_id, job_id, evaluation_id, prediction_id, alice, reader, bob)


async def requests(gateway, things: Things) -> list[Request]:
    """A good request of alice's for each route, on what is hers; those that delete it come last."""
    schema = (await gateway.client.get("/openapi.json", headers=things.alice)).json()
    ids = {"file_id": things.file_id, "job_id": things.job_id, "row": "2"}
    ids |= {"evaluation_id": things.evaluation_id, "model": things.job_id}
    ids["prediction_id"] = things.prediction_id
    listed = [
        Request(method.upper(), path.format(**ids), body_of(f"{method.upper()} {path}", things))
        for path, methods in schema["paths"].items()
        for method in methods
    ]
    return sorted(listed, key=lambda request: request.method == "DELETE")


def body_of(route: str, things: Things) -> dict:
    adapter = pack(
        {
            "adapter_config.json": json.dumps(ADAPTER_CONFIG).encode(),
            "adapter_model.safetensors": safetensors_bytes(),
        }
    )
    bodies: dict[str, dict] = {
        "POST /upload-data": {"files": {"file": ("a.zip", good_zip())}},
        "POST /train": {"json": {"job_name": "a", "data_file_id": things.file_id}},
        "PATCH /jobs/{job_id}": {"json": {"notes": "mine"}},
        "POST /jobs/{job_id}/evaluate": {"json": {"file_id": things.file_id}},
        "POST /evaluations": {
            "files": {"adapter": ("a.zip", adapter)},
            "data": {"file_id": things.file_id},
        },
        "POST /predictions": {
            "files": {"file": ("a.zip", pack({"a.png": image_bytes()}))},
            "data": {"question": "How many?", "job_id": things.job_id},
        },
        "POST /predict": {
            "files": {"image": ("a.png", image_bytes())},
            "data": {"question": "How many?", "job_id": things.job_id},
        },
        "POST /v1/chat/completions": {
            "json": {
                "model": things.job_id,
                "messages": [{"role": "user", "content": "How many?"}],
            }
        },
    }
    assert route in bodies or not route.startswith("P"), f"say what is sent to {route}"
    return bodies.get(route, {})


async def status(gateway, request: Request, headers: dict[str, str]) -> int:
    answer = await gateway.client.request(
        request.method, request.path, headers=headers, **request.options
    )
    if answer.status_code in (401, 403, 429):
        assert set(answer.json()) == {"detail", "code", "parameters", "errors"}
    return answer.status_code


async def test_without_a_token_every_route_is_a_401(gateway, things):
    beside = [Request("GET", path, {}) for path in BESIDE]
    for request in [*await requests(gateway, things), *beside]:
        assert await status(gateway, request, {}) == 401, request
        answer = await gateway.client.request(request.method, request.path)
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_with_a_wrong_token_every_route_is_a_401_until_it_is_a_429(gateway, things):
    asked = [r for r in await requests(gateway, things) for _ in range(2)]
    answers = [await status(gateway, request, {"Authorization": "Bearer x"}) for request in asked]
    most = gateway.settings.max_failed_attempts
    assert answers == [401] * most + [429] * (len(asked) - most)


async def test_a_reader_reads_every_route_and_writes_none(gateway, things):
    for request in await requests(gateway, things):
        answered = await status(gateway, request, things.reader)
        assert (answered == 403) == (request.method != "GET"), (request, answered)
        assert answered in (200, 403, 409), (request, answered)


async def test_an_owner_reads_and_writes_what_is_theirs(gateway, things):
    for request in await requests(gateway, things):
        assert await status(gateway, request, things.alice) in (200, 409), request


async def test_another_owners_token_neither_reads_nor_writes_it(gateway, things):
    schema = (await gateway.client.get("/openapi.json", headers=things.bob)).json()
    theirs = 0
    for request in await requests(gateway, things):
        answered = await status(gateway, request, things.bob)
        names_alices = SOMEBODYS.search(template_of(request.path, schema)) or (
            request.options and request.path != "/upload-data"
        )
        assert answered == (403 if names_alices else 200), request
        theirs += bool(names_alices)
    assert theirs >= 15
    job = await gateway.client.get(f"/jobs/{things.job_id}", headers=things.alice)
    assert job.json()["status"] == "completed"


def template_of(path: str, schema: dict) -> str:
    """The path of the OpenAPI document that `path` was made from."""
    for template in sorted(schema["paths"], key=lambda one: one.count("{")):
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            return template
    raise AssertionError(path)


async def test_lists_show_ones_own(gateway, things):
    operator = await gateway.new_token("ops", "operator")
    for path in LISTS:
        seen = [
            len((await gateway.client.get(path, headers=headers)).json())
            for headers in (things.alice, things.reader, things.bob, operator)
        ]
        assert seen == [1, 1, 0, 1], path


async def test_an_operator_reads_and_writes_everybodys(gateway, things):
    operator = await gateway.new_token("ops", "operator")
    for request in await requests(gateway, things):
        assert await status(gateway, request, operator) in (200, 409), request
