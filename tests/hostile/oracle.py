"""What must hold after every bad input, and after every odd one that is taken.

- no 5xx, and the status that the case names
- a body that names the field, row or entry, has a code of the list, and holds no path, traceback or
  address; the same code and place for a reader of Chinese, with the sentence in Chinese
- nothing written outside the staging folder, which is empty within 60 s
- after a refusal, no row in the database and no file that is kept
- the service is well, and a good request right after it succeeds
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tally.messages.languages import Language
from tally.messages.message import SENTENCES
from tests.gateway.packing import good_zip
from tests.waiting import wait_until

_NEVER_SHOWN = re.compile(r"Traceback|File \"|site-packages|\.py\b|127\.0\.0\.1:\d|0x[0-9a-f]{6}")
_HAN = re.compile("[\u4e00-\u9fff]")
_CODES = SENTENCES[Language.ENGLISH].keys()
_KEPT = ("datasets", "rows", "results", "reports", "adapters")

Send = Callable[[httpx.Client], httpx.Response]


@dataclass(frozen=True)
class Target:
    """A running gateway: how it is asked, by a reader of Chinese too, and all that it may write
    to."""

    client: httpx.Client
    chinese: httpx.Client
    root: Path
    data_dir: Path
    log: Path

    def kept(self) -> set[Path]:
        """Every file but those that are being received, the database's and the log."""
        files = {path for path in self.root.rglob("*") if path.is_file() and path != self.log}
        return {path for path in files if "sqlite" not in path.name and not self._is_staged(path)}

    def rows(self) -> tuple[list[str], list[str]]:
        """Ids of the files and the jobs in the database."""
        files, jobs = self.client.get("/files").json(), self.client.get("/jobs").json()
        return [file["file_id"] for file in files], [job["job_id"] for job in jobs]

    def staged(self) -> list[Path]:
        return list((self.data_dir / "staging").iterdir())

    def _is_staged(self, path: Path) -> bool:
        return self.data_dir / "staging" in path.parents


@dataclass(frozen=True)
class Refused:
    """A refusal: its status, and what names the place, in `where` or in the sentence."""

    status: int | Collection[int] = 422
    where: str = ""
    says: str = ""


@dataclass(frozen=True)
class Taken:
    """An answer of 200, whose body has these fields."""

    body: dict[str, object] = field(default_factory=dict)


def judge(target: Target, send: Send, expected: Refused | Taken) -> httpx.Response:
    """Sends it, and looks at everything that must hold then."""
    kept, rows, logged = target.kept(), target.rows(), target.log.stat().st_size
    response = send(target.client)
    assert response.status_code < 500, response.text
    if isinstance(expected, Refused):
        _check_refusal(target, response, expected)
        _check_in_chinese(target, send(target.chinese), response)
        assert (target.kept(), target.rows()) == (kept, rows)
    else:
        assert response.status_code == 200, response.text
        assert not expected.body or expected.body.items() <= response.json().items()
    assert target.data_dir.parent == target.root
    wait_until(lambda: not target.staged())
    assert b"Traceback" not in target.log.read_bytes()[logged:]
    assert target.client.get("/healthz").status_code == 200
    assert upload(good_zip())(target.client).status_code == 200
    return response


def _check_refusal(target: Target, response: httpx.Response, expected: Refused) -> None:
    one_of = expected.status if isinstance(expected.status, Collection) else {expected.status}
    assert response.status_code in one_of, response.text
    body = response.json()
    assert body["detail"]
    assert isinstance(body["errors"], list)
    places = [error["where"] for error in body["errors"]]
    assert not expected.where or any(expected.where in place for place in places), body
    assert expected.says in body["detail"], body
    _check_shown(target, response)


def _check_in_chinese(target: Target, chinese: httpx.Response, english: httpx.Response) -> None:
    assert chinese.status_code == english.status_code
    assert chinese.headers["content-language"] == "zh-TW"
    assert "Accept-Language" in chinese.headers["vary"]
    assert _codes_and_places(chinese) == _codes_and_places(english)
    body = chinese.json()
    for sentence in (body["detail"], *(error["message"] for error in body["errors"])):
        assert _HAN.search(sentence), body
    _check_shown(target, chinese)


def _codes_and_places(response: httpx.Response) -> list[tuple[str, str]]:
    """Each code, all of them of the list, and where it is."""
    body = response.json()
    found = [(error["code"], error["where"]) for error in body["errors"]]
    assert {body["code"], *(code for code, _ in found)} <= _CODES, body
    assert body["code"] == (found[0][0] if found else body["code"])
    return [(body["code"], ""), *found]


def _check_shown(target: Target, response: httpx.Response) -> None:
    for text in (response.text, *map(str, response.headers.raw)):
        assert not _NEVER_SHOWN.search(text), text
        assert str(target.root) not in text


def upload(data: bytes, **fields: str) -> Send:
    files = {"file": ("training_data.zip", data, "application/zip")}
    return lambda client: client.post("/upload-data", files=files, data=fields)


def train(body: object) -> Send:
    """`body` as JSON; bytes and text as they are."""
    headers = {"Content-Type": "application/json"}
    if isinstance(body, bytes | str):
        return lambda client: client.post("/train", content=body, headers=headers)
    return lambda client: client.post("/train", json=body)


def predict(image: bytes, **fields: str) -> Send:
    files = {"image": ("x.png", image, "image/png")}
    fields = {"question": "How many?", **fields}
    return lambda client: client.post("/predict", files=files, data=fields)
