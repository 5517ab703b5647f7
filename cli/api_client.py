"""The REST API from Python: one method per route."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from cli.errors import GatewayUnreachable, RequestRefused

Json = dict[str, Any]
_TIMEOUT_SECONDS = 30.0
# Checking an uploaded ZIP takes the gateway a while after the last byte.
_UPLOAD_TIMEOUT_SECONDS = 1800.0


class ApiClient:
    """A connection to one gateway. Every method raises GatewayUnreachable or RequestRefused."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # A gateway is named outright; proxies of the environment are for the rest of the world.
        self._http = httpx.Client(
            base_url=self.url, headers=headers, timeout=_TIMEOUT_SECONDS, trust_env=False
        )

    def __enter__(self) -> "ApiClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def upload(self, file: BinaryIO, filename: str) -> Json:
        """→ file_id, filename, upload_time, csv_rows, valid_images."""
        parts = {"file": (filename, file, "application/zip")}
        return self._call("POST", "/upload-data", files=parts, timeout=_UPLOAD_TIMEOUT_SECONDS)

    def files(self) -> list[Json]:
        return _listed(self._call("GET", "/files"), "files")

    def train(self, request: Json) -> Json:
        """→ at least job_id."""
        return self._call("POST", "/train", json=request)

    def jobs(self) -> list[Json]:
        return _listed(self._call("GET", "/jobs"), "jobs")

    def job(self, job_id: str) -> Json:
        return self._call("GET", f"/jobs/{job_id}")

    def cancel(self, job_id: str) -> Json:
        return self._call("DELETE", f"/jobs/{job_id}")

    def metrics(self, job_id: str) -> list[Json]:
        """→ one object a step: "step", and its metrics beside it."""
        return [flat_step(step) for step in self._call("GET", f"/jobs/{job_id}/metrics")["steps"]]

    def evaluation(self, job_id: str) -> Json:
        """→ num_samples, base, adapter."""
        return self._call("GET", f"/jobs/{job_id}/evaluation")

    @contextmanager
    def stream(
        self, path: str, headers: dict[str, str], *, timeout_seconds: float
    ) -> Iterator[httpx.Response]:
        """Opens a GET whose body is read piece by piece."""
        with (
            self._translated(),
            self._http.stream("GET", path, headers=headers, timeout=timeout_seconds) as response,
        ):
            _check(response)
            yield response

    def _call(self, method: str, path: str, **options: Any) -> Any:
        with self._translated():
            response = self._http.request(method, path, **options)
            _check(response)
            try:
                return response.json()
            except ValueError as error:
                message = f"What answers at {self.url} is not a Tally gateway."
                raise GatewayUnreachable(message) from error

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectError as error:
            message = f"No gateway answers at {self.url}; start one with `tally up`."
            raise GatewayUnreachable(message) from error
        except httpx.TimeoutException as error:
            raise GatewayUnreachable(f"The gateway at {self.url} took too long.") from error
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise GatewayUnreachable(f"{self.url!r} is not a URL like http://host:8000.") from error
        except httpx.TransportError as error:
            message = f"The connection to the gateway at {self.url} broke."
            raise GatewayUnreachable(message) from error


def flat_step(step: Json) -> Json:
    """A step with its metrics beside "step", wherever the gateway put them."""
    return {**step.get("metrics", {}), **{k: v for k, v in step.items() if k != "metrics"}}


def upload_path(client: ApiClient, path: Path) -> Json:
    """Uploads a file without a progress bar."""
    with path.open("rb") as file:
        return client.upload(file, path.name)


def _listed(answer: Any, name: str) -> list[Json]:
    return answer if isinstance(answer, list) else answer[name]


def _check(response: httpx.Response) -> None:
    if response.is_success:
        return
    response.read()
    raise RequestRefused(response.status_code, _refusal(response))


def _refusal(response: httpx.Response) -> str:
    """The server's `detail` and one line for each of its `errors`."""
    try:
        answer = response.json()
        lines = [str(answer["detail"])]
        lines += [f"  {e['where']}: {e['message']}" for e in answer.get("errors") or []]
    except (ValueError, KeyError, TypeError):
        return f"The gateway answered {response.status_code} {response.reason_phrase}."
    return "\n".join(lines)
