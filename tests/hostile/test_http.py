"""HTTP: forms, addresses, ranges, keys, other origins."""

import asyncio
import itertools
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.gateway.packing import good_zip, image_bytes
from tests.gateway.raw_http import form
from tests.hostile.oracle import Refused, Send, Taken, Target, judge, upload
from tests.waiting import wait_until

ODD_IDS = ["../x", "%2e%2e%2f", "..%2f..%2fetc%2fpasswd", "%00", "x" * 10_000, "%ff", "a%0d%0ab"]
FILE = b'Content-Disposition: form-data; name="file"; filename="a.zip"'
FORM_PATHS = {"/upload-data": "file", "/evaluations": "adapter", "/predict": "image"}


def raw_form(path: str, *parts: bytes, end: bytes = b"--b--\r\n") -> Send:
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + end
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    return lambda client: client.post(path, content=body, headers=headers)


def part(disposition: bytes, data: bytes = b"x") -> bytes:
    return b"Content-Disposition: form-data; " + disposition + b"\r\n\r\n" + data


ODD_PARTS = {
    "no headers": b"\r\nx",
    "no name": part(b'filename="a.zip"'),
    "an empty name": part(b'name=""'),
    "an empty name and nothing in it": part(b'name=""', b""),
    "another name": part(b'name="other"'),
    "a name that is no UTF-8": part(b'name="\xff\xfe"'),
    "a name of control characters": part(b'name="\x01\x1b[2J"'),
    "a long name": part(b'name="' + b"x" * 3_000 + b'"'),
    "a long header": b"X: " + b"x" * 100_000 + b"\r\n\r\nx",
    "many headers": b"X: y\r\n" * 1_000 + b"\r\nx",
    "no colon": b"nonsense\r\n\r\nx",
    "a disposition without a kind": b"Content-Disposition: \r\n\r\nx",
    "an odd charset": part(b"name*=utf-8''fil%FFe"),
    "an unknown charset": part(b"name*=klingon''file"),
    "continued names": part(b'name*0="fi"; name*1="le"'),
    "an open quote": part(b'name="file'),
    "a transfer encoding": FILE + b"\r\nContent-Transfer-Encoding: base64\r\n\r\neA==",
    "nothing": b"",
}


@pytest.mark.parametrize("path", FORM_PATHS)
@pytest.mark.parametrize("name", ODD_PARTS)
def test_an_odd_part_is_refused(target: Target, path: str, name: str) -> None:
    judge(target, raw_form(path, ODD_PARTS[name]), Refused())


FIELDS = ("encoding", "question", "job_id", "file_id", "model", "max_image_size")
VALUES = (b"", b" ", b"\0", b"\xff\xfe", b"-1", b"9" * 5_000, "٣".encode(), b"x" * 100_000)
GOOD = {("/predict", "job_id", b""), *(("/predict", "question", VALUES[n]) for n in (4, 6))}


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [case for case in itertools.product(FORM_PATHS, FIELDS, VALUES) if case not in GOOD],
)
def test_an_odd_field_is_refused(target: Target, path: str, field: str, value: bytes) -> None:
    data = {"/predict": image_bytes(), "/upload-data": b"no zip", "/evaluations": b"no zip"}[path]
    file = part(b'name="%s"; filename="a"' % FORM_PATHS[path].encode(), data)
    texts = [part(b'name="%s"' % field.encode(), value)]
    if path == "/predict" and field != "question":
        texts.append(part(b'name="question"', b"How many?"))
    judge(target, raw_form(path, file, *texts), Refused((404, 413, 422)))


@pytest.mark.parametrize("path", FORM_PATHS)
@pytest.mark.parametrize("end", [b"", b"--b", b"--b-", b"--c--\r\n", b"--b\r\n"], ids=repr)
def test_a_form_cut_short_is_refused(target: Target, path: str, end: bytes) -> None:
    file = part(b'name="%s"; filename="a"' % FORM_PATHS[path].encode(), good_zip())
    judge(target, raw_form(path, file, end=end), Refused())


@pytest.mark.parametrize("path", FORM_PATHS)
@pytest.mark.parametrize(
    "kind",
    [
        "", "text/plain", "application/json", "multipart/form-data", "multipart/mixed; boundary=b",
        "multipart/form-data; boundary=", "multipart/form-data; boundary*=klingon''b",
        "multipart/form-data; boundary=" + "b" * 5_000, "\xff",
        "multipart/form-data; boundary=\xff",
    ],
)  # fmt: skip
def test_a_body_that_is_no_form_is_refused(target: Target, path: str, kind: str) -> None:
    headers = {b"Content-Type": kind.encode("latin-1")}
    judge(target, lambda client: client.post(path, content=b"x", headers=headers), Refused())


@pytest.mark.parametrize("odd", ODD_IDS)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", f"/jobs/{{}}{end}") for end in ("", "/settings", "/metrics", "/samples")),
        *(("GET", f"/jobs/{{}}/{end}") for end in ("download", "events", "evaluation.csv")),
        ("DELETE", "/jobs/{}"), ("GET", "/files/{}/rows"), ("GET", "/files/{}/images/2"),
        ("GET", "/evaluations/{}"), ("DELETE", "/evaluations/{}"),
    ],
)  # fmt: skip
def test_an_odd_id_is_not_found(target: Target, method: str, path: str, odd: str) -> None:
    send: Send = lambda client: client.request(method, path.format(odd))  # noqa: E731
    judge(target, send, Refused({404, 405, 422}))


@pytest.mark.parametrize(
    "query",
    [
        "/jobs?limit=0", "/jobs?limit=x", "/jobs?offset=-1", f"/jobs?offset={'9' * 30}",
        "/jobs?limit=1e9", "/jobs?limit=%00", f"/evaluations?job_id={'x' * 300}",
    ],
)  # fmt: skip
def test_an_odd_query_is_refused(target: Target, query: str) -> None:
    judge(target, lambda client: client.get(query), Refused())


@pytest.mark.parametrize("job_id", ["%00", "../x", "%ff", "x' OR 1=1 --"])
def test_an_odd_job_has_no_evaluations(target: Target, job_id: str) -> None:
    answer = judge(target, lambda client: client.get(f"/evaluations?job_id={job_id}"), Taken())
    assert answer.json() == []


@pytest.mark.parametrize("value", ["-1", "x", "9" * 30, "1.5", "0x1"])
def test_an_odd_event_number_is_refused(target: Target, value: str) -> None:
    job_id = start_job(target)
    until(target, job_id, "completed")
    headers = {b"Last-Event-ID": value.encode()}
    send: Send = lambda client: client.get(f"/jobs/{job_id}/events", headers=headers)  # noqa: E731
    judge(target, send, Refused())


def start_job(target: Target, **headers: str) -> str:
    file_id = upload(good_zip())(target.client).json()["file_id"]
    body = {"job_name": "apples", "data_file_id": file_id}
    job = target.client.post("/train", json=body, headers=headers).json()
    return str(job["job_id"])


def until(target: Target, job_id: str, status: str) -> None:
    wait_until(lambda: target.client.get(f"/jobs/{job_id}").json()["status"] == status)


@pytest.mark.parametrize("tenth", range(10))
def test_an_upload_that_is_aborted_leaves_no_trace(target: Target, tenth: int) -> None:
    async def abort() -> None:
        head, body = form(good_zip())
        port = target.client.base_url.port
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head + body[: len(body) * tenth // 10])
        await writer.drain()
        writer.close()

    kept, rows = target.kept(), target.rows()
    asyncio.run(abort())
    wait_until(lambda: not target.staged())
    assert (target.kept(), target.rows()) == (kept, rows)
    judge(target, upload(b""), Refused())


def test_fifty_equal_uploads_at_once_are_one_dataset(target: Target) -> None:
    before = set((target.data_dir / "datasets").iterdir())
    data = good_zip()
    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(lambda _: upload(data)(target.client), range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["file_id"] for answer in answers}) == 50
    assert len(set((target.data_dir / "datasets").iterdir()) - before) <= 1
    judge(target, upload(b""), Refused())


def test_a_download_comes_in_ranges(target: Target) -> None:
    job_id = start_job(target)
    until(target, job_id, "completed")
    path = f"/jobs/{job_id}/download"
    whole = target.client.get(path).content
    for header, expected in {"bytes=0-9": whole[:10], "bytes=5-": whole[5:]}.items():
        answer = target.client.get(path, headers={"Range": header})
        assert (answer.status_code, answer.content) == (206, expected)
    for header in ("bytes=99999999-", "bytes=5-1", "lines=1-2", "bytes=-", f"bytes={'9' * 999}-"):
        judge(target, _get(path, Range=header), Refused(416, "Range"))
    assert target.client.get(path).content == whole


def _get(path: str, **headers: str) -> Send:
    return lambda client: client.get(path, headers=headers)


def test_the_same_key_is_one_job(target: Target) -> None:
    file_id = upload(good_zip())(target.client).json()["file_id"]
    body = {"job_name": "apples", "data_file_id": file_id}
    headers = {"Idempotency-Key": "hostile-1"}

    def send(_: int) -> httpx.Response:
        return target.client.post("/train", json=body, headers=headers)

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(send, range(20)))
    [job_id] = {answer.json()["job_id"] for answer in answers}
    until(target, job_id, "completed")
    other = {**body, "job_name": "pears"}
    judge(
        target,
        lambda client: client.post("/train", json=other, headers=headers),
        Refused(422, "Idempotency-Key"),
    )


@pytest.mark.parametrize("key", ["", "x" * 201, "a b", "ü"])
def test_an_odd_key_is_refused(target: Target, key: str) -> None:
    headers = {b"Idempotency-Key": key.encode()}
    send: Send = lambda client: client.post("/train", json={}, headers=headers)  # noqa: E731
    judge(target, send, Refused(422, "Idempotency-Key"))


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example"},
        {"Origin": "null"},
    ],
)
def test_a_request_of_another_origin_changes_nothing(target: Target, headers: dict) -> None:
    files = {"file": ("a.zip", good_zip())}
    judge(
        target, lambda client: client.post("/upload-data", files=files, headers=headers),
        Refused(403),
    )  # fmt: skip


@pytest.mark.parametrize(("method", "path"), [("GET", "/x"), ("PUT", "/jobs"), ("TRACE", "/")])
def test_what_is_not_there_is_said(target: Target, method: str, path: str) -> None:
    judge(target, lambda client: client.request(method, path), Refused({404, 405}))


@pytest.mark.parametrize("path", ["/", "/healthz", "/files", "/docs", "/nowhere", "/ui"])
def test_every_answer_has_its_security_headers(target: Target, path: str) -> None:
    headers = target.client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"


def test_event_streams_that_vanish_free_their_slots(target: Target) -> None:
    job_id = start_job(target)
    until(target, job_id, "completed")
    for _ in range(600):
        with target.client.stream("GET", f"/jobs/{job_id}/events") as stream:
            assert stream.status_code == 200
    judge(target, upload(b""), Refused())
