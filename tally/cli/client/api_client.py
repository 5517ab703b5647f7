"""The REST API from Python: one method per route."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import httpx

from tally.cli.client.refusals import refusal_text
from tally.cli.errors import GatewayUnreachable, RequestRefused

Json = dict[str, Any]
DEFAULT_URL = "http://127.0.0.1:8000"
_TIMEOUT_SECONDS = 30.0
# Checking an uploaded ZIP takes the gateway a while after the last byte.
_UPLOAD_TIMEOUT_SECONDS = 1800.0
# The base model answers a sample, and may have to be loaded first.
_ANSWER_TIMEOUT_SECONDS = 600.0
_NO_FILE = "00000000-0000-0000-0000-000000000000"
_COLLECTIONS = {"file": "files", "job": "jobs", "comparison": "evaluations"}
_NEEDS_TOKEN = "give it with --token or TALLY_TOKEN, before the command"


class ApiClient:
    """A connection to one gateway. Every method raises GatewayUnreachable or RequestRefused.

    What the gateway refuses it says in the `language`, such as zh-TW, where it knows it.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        language: str | None = None,
        timeout_seconds: float = _TIMEOUT_SECONDS,
    ) -> None:
        self.url = url.rstrip("/")
        self._token = token
        known = {"Authorization": token and f"Bearer {token}", "Accept-Language": language}
        headers = {name: value for name, value in known.items() if value}
        # A gateway is named outright; proxies of the environment are for the rest of the world.
        self._http = httpx.Client(
            base_url=self.url, headers=headers, timeout=timeout_seconds, trust_env=False
        )

    def __enter__(self) -> "ApiClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def upload(self, file: BinaryIO, filename: str, encoding: str | None = None) -> Json:
        """→ file_id, filename, upload_time, csv_rows, valid_images, warnings."""
        parts = {"file": (filename, file, "application/zip")}
        return self._send_form("/upload-data", parts, {"encoding": encoding})

    def files(self) -> list[Json]:
        return self._list("/files")

    def rows(self, file_id: str, offset: int, limit: int) -> Json:
        """→ csv_rows, offset, rows."""
        asked = {"offset": offset, "limit": limit}
        return self._call("GET", f"/files/{path_part(file_id)}/rows", params=asked)

    def picture(self, file_id: str, row: int, max_side: int | None) -> bytes:
        asked = {} if max_side is None else {"max_side": max_side}
        return self._get_content(f"/files/{path_part(file_id)}/images/{row}", params=asked)

    def openapi(self) -> Json:
        """What the gateway says of its own routes and their bodies."""
        return self._call("GET", "/openapi.json")

    def presets(self) -> Json:
        """Name → parts of a body of /train; those that the page offers."""
        presets: Json = self._call("GET", "/ui/presets.json")["presets"]
        return presets

    def train(self, request: Json) -> Json:
        """→ at least job_id."""
        return self._call("POST", "/train", json=request)

    def preflight(self, request: Json) -> Json:
        """→ ok, findings, data, base, steps, memory, time; starts nothing."""
        asked = {"dry_run": "true"}
        timeout = _ANSWER_TIMEOUT_SECONDS
        return self._call("POST", "/train", json=request, params=asked, timeout=timeout)

    def check_settings(self, request: Json) -> None:
        """Raises RequestRefused for a request that would be refused whatever its data is."""
        try:
            self.preflight({**request, "data_file_id": _NO_FILE, "evaluation_file_id": None})
        except RequestRefused as refusal:
            if refusal.status != httpx.codes.NOT_FOUND:
                raise

    def jobs(self, limit: int | None = None) -> list[Json]:
        """The newest first."""
        return self._list("/jobs", params={} if limit is None else {"limit": limit})

    def job(self, job_id: str) -> Json:
        return self._call("GET", f"/jobs/{path_part(job_id)}")

    def settings(self, job_id: str) -> Json:
        """The body of /train that started the job, every default filled in."""
        return self._call("GET", f"/jobs/{path_part(job_id)}/settings")

    def log(self, job_id: str, lines: int) -> str:
        """The last lines of what the job's workers printed."""
        path = f"/jobs/{path_part(job_id)}/log"
        return self._get_content(path, params={"lines": lines}).decode()

    def cancel(self, job_id: str) -> Json:
        return self._call("DELETE", f"/jobs/{path_part(job_id)}")

    def delete(self, kind: str, identifier: str) -> Json:
        """A `file`, or a `job` or a `comparison` that has ended → what it was."""
        path = f"/{_COLLECTIONS[kind]}/{path_part(identifier)}"
        asked = {} if kind == "file" else {"purge": "true"}
        return self._call("DELETE", path, params=asked)

    def metrics(self, job_id: str) -> list[Json]:
        """→ one object a step: "step", and its metrics beside it."""
        answer = self._call("GET", f"/jobs/{path_part(job_id)}/metrics")
        return [flat_step(step) for step in answer["steps"]]

    def samples(self, job_id: str, steps: int) -> Json:
        """→ file_id, steps: the newest first, each with its groups."""
        return self._call("GET", f"/jobs/{path_part(job_id)}/samples", params={"steps": steps})

    def evaluation(self, job_id: str) -> Json:
        """→ num_samples, base, adapter, difference, by_count, by_kind, matrix, worst."""
        return self._call("GET", f"/jobs/{path_part(job_id)}/evaluation")

    def evaluation_file(self, job_id: str, kind: str) -> bytes:
        """`csv` or `html`; the id may also be a comparison's."""
        return self._get_content(f"/jobs/{path_part(job_id)}/evaluation.{kind}")

    def evaluate(self, job_id: str, file_id: str) -> Json:
        """→ at least evaluation_id."""
        return self._call("POST", f"/jobs/{path_part(job_id)}/evaluate", json={"file_id": file_id})

    def evaluate_adapter(self, adapter: BinaryIO, filename: str, settings: Json) -> Json:
        """`settings` has file_id and may have model, max_image_size, max_new_tokens."""
        parts = {"adapter": (filename, adapter, "application/zip")}
        return self._send_form("/evaluations", parts, settings)

    def comparisons(self, job_id: str | None = None) -> list[Json]:
        asked = {} if job_id is None else {"job_id": job_id}
        return self._list("/evaluations", params=asked)

    def comparison(self, evaluation_id: str) -> Json:
        """→ status, job_id, file_id and, once completed, evaluation."""
        return self._call("GET", f"/evaluations/{path_part(evaluation_id)}")

    def predict(self, image: BinaryIO, filename: str, settings: Json) -> Json:
        """→ question, base, adapter. `settings` has question and may have job_id, model, ….

        Raises as every method does.
        """
        parts = {"image": (filename, image, "application/octet-stream")}
        return self._send_form("/predict", parts, settings)

    @contextmanager
    def stream(
        self, path: str, headers: dict[str, str], *, timeout_seconds: float
    ) -> Iterator[httpx.Response]:
        """Opens a GET whose body is read piece by piece."""
        with (
            self._translate_errors(),
            self._http.stream("GET", path, headers=headers, timeout=timeout_seconds) as response,
        ):
            self._check(response)
            yield response

    def _send_form(self, path: str, parts: Json, texts: Json) -> Json:
        """Fields that are None are left out."""
        data = {name: str(value) for name, value in texts.items() if value is not None}
        return self._call("POST", path, files=parts, data=data, timeout=_UPLOAD_TIMEOUT_SECONDS)

    def _get_content(self, path: str, **options: Any) -> bytes:
        with self._translate_errors():
            response = self._http.get(path, **options)
            self._check(response)
            return response.content

    def _list(self, path: str, **options: Any) -> list[Json]:
        listed: list[Json] = self._request("GET", path, **options)
        return listed

    def _call(self, method: str, path: str, **options: Any) -> Json:
        answer: Json = self._request(method, path, **options)
        return answer

    def _request(self, method: str, path: str, **options: Any) -> Any:
        with self._translate_errors():
            response = self._http.request(method, path, **options)
            self._check(response)
            try:
                return response.json()
            except ValueError as error:
                message = f"What answers at {self.url} is not a Tally gateway."
                raise GatewayUnreachable(message) from error

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectError as error:
            message = (
                f"No gateway answers at {self.url}; start one with `tally up`, or name another "
                "with --url or TALLY_URL, before the command."
            )
            raise GatewayUnreachable(message) from error
        except httpx.TimeoutException as error:
            raise GatewayUnreachable(f"The gateway at {self.url} took too long.") from error
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise GatewayUnreachable(f"{self.url!r} is not a URL like http://host:8000.") from error
        except httpx.TransportError as error:
            message = f"The connection to the gateway at {self.url} broke."
            raise GatewayUnreachable(message) from error

    def _check(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        response.read()
        if response.status_code == httpx.codes.UNAUTHORIZED:
            what = "takes another token" if self._token else "asks for a token"
            message = f"The gateway at {self.url} {what}; {_NEEDS_TOKEN}."
            raise RequestRefused(response.status_code, message)
        raise RequestRefused(response.status_code, refusal_text(response))


def flat_step(step: Json) -> Json:
    """A step with its metrics beside "step", wherever the gateway put them."""
    return {**step.get("metrics", {}), **{k: v for k, v in step.items() if k != "metrics"}}


def upload_path(client: ApiClient, path: Path) -> Json:
    """Uploads a file without a progress bar."""
    with path.open("rb") as file:
        return client.upload(file, path.name)


def path_part(identifier: str) -> str:
    """An id as one part of a path, whatever it holds."""
    return quote(identifier, safe="")
