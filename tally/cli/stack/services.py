"""The four services of Tally on one machine: their addresses, folders and settings."""

import json
import os
import sys
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import grpc
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tally import samples
from tally.cli.stack.ports import free_ports
from tally.cli.stack.service_process import Service
from tally.cli.stack.stack_secret import secret_path

DEFAULT_MODEL = str(Path(samples.__file__).with_name("counting_policy"))
_HOST = "127.0.0.1"
_CHECK_SECONDS = 2.0
_MODULES = {
    "reward": "reward_service",
    "rollout": "rollout_service",
    "learner": "learner_service",
    "gateway": "gateway",
}
_WAITING = "OMP_WAIT_POLICY"

SamplingPlace = Literal["auto", "inside", "service"]


def plan_services(
    *,
    data_dir: Path,
    model: str,
    host: str,
    port: int,
    engine: str = "auto",
    replicas: int = 1,
    use_4bit: bool | None = None,
    sampling: SamplingPlace = "service",
) -> list[Service]:
    """The services in the order of their start; `host` and `port` are the gateway's.

    They share the secret that `write_secret` leaves in `data_dir`. `use_4bit`: how the replicas
    hold the base; None as the operator's variable says, or else as a job does that doesn't say,
    where the engine can. `sampling`: by replicas, or inside of the learner, which then has none.
    """
    gpus = _gpus()
    rollouts = ["rollout"] if replicas == 1 else [f"rollout-{n + 1}" for n in range(replicas)]
    if inside := _samples_inside(sampling, engine, replicas, gpus):
        rollouts = []
    internal = ["reward", *rollouts, "learner"]
    names = [*internal, "gateway"]
    ports = free_ports(len(internal) + len(names))
    target = {name: f"{_HOST}:{p}" for name, p in zip(internal, ports, strict=False)}
    settings = _settings(data_dir.resolve(), model, target)
    settings |= _rollout_settings(data_dir.resolve(), model, target, rollouts, engine)
    precision = _precision(engine, use_4bit, has_gpu=bool(gpus))
    for name in rollouts:
        settings[name] |= precision
    if inside:
        settings["learner"] |= _inside_settings(use_4bit)
    else:
        settings["learner"]["ROLLOUT__TARGET"] = _balance([target[name] for name in rollouts])
    settings["gateway"] |= {"HOST": host, "PORT": str(port)}
    for name, metrics_port in zip(names, ports[len(internal) :], strict=True):
        settings[name] |= {
            "SERVICES_SECRET_PATH": str(secret_path(data_dir.resolve())),
            # For this machine alone, wherever the gateway listens.
            "METRICS_HOST": _HOST,
            "METRICS_PORT": str(metrics_port),
        }
    checks = {name: _grpc_check(target[name]) for name in internal}
    checks["gateway"] = _http_check(f"http://{reachable(host)}:{port}/healthz")
    return [
        Service(
            name=name,
            command=(sys.executable, "-P", "-m", _MODULES[_kind(name)]),
            environment=_thread_waiting()
            | {_variable(name, key): value for key, value in settings[name].items()}
            | _own_gpu(name, rollouts, gpus),
            is_healthy=checks[name],
        )
        for name in names
    ]


def metrics_addresses(services: Iterable[Service]) -> dict[str, str]:
    """Where the metrics of each process that has a page of them are read, by its name."""
    ports = {
        service.name: service.environment.get(_variable(service.name, "METRICS_PORT"))
        for service in services
    }
    return {name: f"{_HOST}:{port}" for name, port in ports.items() if port}


def _thread_waiting() -> dict[str, str]:
    """As the operator's variable says. Services share the cores: threads that spin while they wait
    for each other take them from whoever has work, and a step beside them lasts several times
    longer. So it is where they spin for a millisecond only (`GOMP_SPINCOUNT`)."""
    return {_WAITING: os.environ.get(_WAITING, "PASSIVE")}


def _samples_inside(sampling: SamplingPlace, engine: str, replicas: int, gpus: list[str]) -> bool:
    """On one GPU there is room for one copy of the weights; on a CPU it is no faster
    (`bench.demo`), and a replica answers people while a job trains."""
    if sampling == "auto":
        return len(gpus) == 1 and replicas == 1 and engine != "vllm"
    return sampling == "inside"


def _inside_settings(use_4bit: bool | None) -> dict[str, str]:
    precision = {} if use_4bit is None else {"INSIDE_USE_4BIT": json.dumps(use_4bit)}
    return {"ROLLOUT__TARGET": "inside"} | precision


def _precision(engine: str, use_4bit: bool | None, *, has_gpu: bool) -> dict[str, str]:
    if use_4bit is None:
        if "TALLY_ROLLOUT_USE_4BIT" in os.environ:
            return {}
        use_4bit = _can_hold_4bit(engine, has_gpu=has_gpu)
    return {"USE_4BIT": json.dumps(use_4bit)}


def _can_hold_4bit(engine: str, *, has_gpu: bool) -> bool:
    """vLLM does on GPUs, with a plugin; the transformers engine everywhere."""
    if engine == "transformers" or (engine == "auto" and not (has_gpu and find_spec("vllm"))):
        return True
    return has_gpu and find_spec("vllm_bnb_plugin") is not None


def _kind(name: str) -> str:
    """The service that a process of this name runs: replicas have a number."""
    return name.partition("-")[0]


def _variable(name: str, setting: str) -> str:
    return f"TALLY_{_kind(name).upper()}_{setting}"


def _balance(targets: list[str]) -> str:
    return targets[0] if len(targets) == 1 else f"ipv4:{','.join(targets)}"


def _own_gpu(name: str, rollouts: list[str], gpus: list[str]) -> dict[str, str]:
    """A GPU for each of several replicas, where there are enough."""
    if name not in rollouts or not len(gpus) >= len(rollouts) > 1:
        return {}
    return {"CUDA_VISIBLE_DEVICES": gpus[rollouts.index(name)]}


def _gpus() -> list[str]:
    """Those that CUDA may use, or all of this machine's."""
    if visible := os.environ.get("CUDA_VISIBLE_DEVICES"):
        return visible.split(",")
    return [str(number) for number, _ in enumerate(Path("/dev").glob("nvidia[0-9]*"))]


def _rollout_settings(
    data_dir: Path, model: str, target: dict[str, str], names: list[str], engine: str
) -> dict[str, dict[str, str]]:
    return {
        name: {
            "SERVER__PORT": _port(target[name]),
            "MODEL": model,
            "ENGINE": engine,
            "BLOB__TARGET": target["learner"],
            "CACHE_DIR": str(data_dir / f"{name}-cache"),
            # Without a GPU the worker beside it has the cores; one thread is then the faster.
            "TORCH_THREADS": "1",
        }
        for name in names
    }


def _settings(data_dir: Path, model: str, target: dict[str, str]) -> dict[str, dict[str, str]]:
    return {
        "reward": {"SERVER__PORT": _port(target["reward"])},
        "learner": {
            "SERVER__PORT": _port(target["learner"]),
            "DATA_DIR": str(data_dir / "learner"),
            "MODELS": json.dumps([model]),
            "REWARD__TARGET": target["reward"],
        },
        "gateway": {
            "DATA_DIR": str(data_dir / "gateway"),
            "LEARNER__TARGET": target["learner"],
            "REWARD__TARGET": target["reward"],
            # A job trains beside it.
            "CORES": "1",
        },
    }


def _port(target: str) -> str:
    return target.rpartition(":")[2]


def reachable(host: str) -> str:
    """The address at which a client on this machine finds a server that listens on `host`."""
    return _HOST if host == "0.0.0.0" else host


def resolve_model(model: str) -> str:
    """A folder as an absolute path; anything else is a model's name."""
    path = Path(model)
    return str(path.resolve()) if path.is_dir() else model


def _grpc_check(target: str) -> Callable[[], bool]:
    def is_healthy() -> bool:
        with grpc.insecure_channel(target) as channel:
            try:
                answer = health_pb2_grpc.HealthStub(channel).Check(
                    health_pb2.HealthCheckRequest(), timeout=_CHECK_SECONDS
                )
            except grpc.RpcError:
                return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    return is_healthy


def _http_check(url: str) -> Callable[[], bool]:
    # The gateway takes its token from the same variable, and asks for it here too. Without one, who
    # asks for a token of its database is there.
    token = os.environ.get("TALLY_GATEWAY_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}

    def is_healthy() -> bool:
        try:
            answer = httpx.get(url, headers=headers, timeout=_CHECK_SECONDS, trust_env=False)
        except httpx.TransportError:
            return False
        return answer.is_success or (not token and answer.status_code == httpx.codes.UNAUTHORIZED)

    return is_healthy
