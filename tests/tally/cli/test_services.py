"""What `tally up` tells each service, and what it refuses."""

import json
from pathlib import Path

import pytest

from tally.cli.errors import Interrupted, StackFailed
from tally.cli.stack.metrics_targets import write_metrics_targets
from tally.cli.stack.ports import free_port, free_ports
from tally.cli.stack.running_stack import running_stack
from tally.cli.stack.services import metrics_addresses, plan_services, resolve_model
from tally.cli.stack.stop_request import StopRequest
from tally.job.settings import TrainingConfig
from tests.fakes.gateway import FakeGateway
from tests.tally.cli.conftest import Tally


def _plan(folder: Path, port: int = 8000) -> dict[str, dict[str, str]]:
    services = plan_services(data_dir=folder, model="some/model", host="127.0.0.1", port=port)
    return {service.name: service.environment for service in services}


def test_services_start_in_the_order_of_their_needs(tmp_path: Path) -> None:
    assert list(_plan(tmp_path)) == ["reward", "rollout", "learner", "gateway"]


def test_each_service_knows_the_others(tmp_path: Path) -> None:
    plan = _plan(tmp_path)
    learner = f"127.0.0.1:{plan['learner']['TALLY_LEARNER_SERVER__PORT']}"
    assert plan["rollout"]["TALLY_ROLLOUT_BLOB__TARGET"] == learner
    assert plan["gateway"]["TALLY_GATEWAY_LEARNER__TARGET"] == learner
    reward = f"127.0.0.1:{plan['reward']['TALLY_REWARD_SERVER__PORT']}"
    assert plan["learner"]["TALLY_LEARNER_REWARD__TARGET"] == reward
    assert plan["gateway"]["TALLY_GATEWAY_REWARD__TARGET"] == reward
    rollout = f"127.0.0.1:{plan['rollout']['TALLY_ROLLOUT_SERVER__PORT']}"
    assert plan["learner"]["TALLY_LEARNER_ROLLOUT__TARGET"] == rollout


def test_each_process_has_a_metrics_page_for_this_machine_alone(tmp_path: Path) -> None:
    services = plan_services(data_dir=tmp_path, model="m", host="0.0.0.0", port=8000, replicas=2)
    addresses = metrics_addresses(services)
    assert list(addresses) == ["reward", "rollout-1", "rollout-2", "learner", "gateway"]
    ports = {int(address.removeprefix("127.0.0.1:")) for address in addresses.values()}
    assert len(ports) == len(addresses)
    assert services[-1].environment["TALLY_GATEWAY_METRICS_HOST"] == "127.0.0.1"


def test_prometheus_finds_the_pages_by_a_file(tmp_path: Path) -> None:
    write_metrics_targets(tmp_path, {"rollout-2": "127.0.0.1:10002", "learner": "127.0.0.1:10003"})
    assert [path.name for path in tmp_path.iterdir()] == ["metrics-targets.json"]
    assert json.loads((tmp_path / "metrics-targets.json").read_text()) == [
        {"targets": ["127.0.0.1:10002"], "labels": {"job": "tally-rollout"}},
        {"targets": ["127.0.0.1:10003"], "labels": {"job": "tally-learner"}},
    ]


def test_the_model_and_the_gateways_address_are_passed_on(tmp_path: Path) -> None:
    plan = _plan(tmp_path, port=8123)
    assert plan["rollout"]["TALLY_ROLLOUT_MODEL"] == "some/model"
    assert json.loads(plan["learner"]["TALLY_LEARNER_MODELS"]) == ["some/model"]
    assert plan["gateway"]["TALLY_GATEWAY_PORT"] == "8123"


def test_the_engine_is_passed_on(tmp_path: Path) -> None:
    place = {"data_dir": tmp_path, "model": "m", "host": "127.0.0.1", "port": 8000}
    for engine in ("auto", "vllm"):
        rollout = plan_services(**place, engine=engine)[1]
        assert rollout.environment["TALLY_ROLLOUT_ENGINE"] == engine


def _replica(folder: Path, engine: str, use_4bit: bool | None = None) -> dict[str, str]:
    place = {"data_dir": folder, "model": "m", "host": "127.0.0.1", "port": 8000}
    return plan_services(**place, engine=engine, use_4bit=use_4bit)[1].environment


@pytest.mark.parametrize(
    ("engine", "gpus", "packages", "use_4bit"),
    [
        ("auto", "", {"vllm"}, "true"),  # without a GPU it is the transformers engine
        ("transformers", "0", {"vllm"}, "true"),
        ("vllm", "", {"vllm", "vllm_bnb_plugin"}, "false"),
        ("vllm", "0", {"vllm", "vllm_bnb_plugin"}, "true"),
        ("auto", "0", {"vllm"}, "false"),
        ("auto", "0", set(), "true"),
    ],
)
def test_replicas_hold_the_base_as_a_job_does_by_default_where_they_can(
    tmp_path, monkeypatch, *, engine, gpus, packages, use_4bit
) -> None:
    assert TrainingConfig().use_4bit
    monkeypatch.setattr("tally.cli.stack.services._gpus", gpus.split)
    monkeypatch.setattr(
        "tally.cli.stack.services.find_spec", lambda name: name if name in packages else None
    )
    assert _replica(tmp_path, engine)["TALLY_ROLLOUT_USE_4BIT"] == use_4bit


def test_the_option_goes_before_the_variable_and_that_before_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _replica(tmp_path, "auto", use_4bit=False)["TALLY_ROLLOUT_USE_4BIT"] == "false"
    monkeypatch.setenv("TALLY_ROLLOUT_USE_4BIT", "false")
    assert "TALLY_ROLLOUT_USE_4BIT" not in _replica(tmp_path, "auto")  # the process inherits it
    assert _replica(tmp_path, "auto", use_4bit=True)["TALLY_ROLLOUT_USE_4BIT"] == "true"


def test_replicas_stand_behind_one_list_and_share_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6")
    place = {"data_dir": tmp_path, "model": "m", "host": "127.0.0.1", "port": 8000}
    plan = {service.name: service for service in plan_services(**place, replicas=3)}
    assert list(plan) == ["reward", "rollout-1", "rollout-2", "rollout-3", "learner", "gateway"]
    replicas = [plan[f"rollout-{number}"] for number in (1, 2, 3)]
    assert {replica.command[-1] for replica in replicas} == {"rollout_service"}
    ports = [replica.environment["TALLY_ROLLOUT_SERVER__PORT"] for replica in replicas]
    listed = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
    assert plan["learner"].environment["TALLY_LEARNER_ROLLOUT__TARGET"] == listed
    assert len({replica.environment["TALLY_ROLLOUT_CACHE_DIR"] for replica in replicas}) == 3
    assert [r.environment["CUDA_VISIBLE_DEVICES"] for r in replicas] == ["4", "5", "6"]


@pytest.mark.parametrize("replicas", [1, 3])
def test_replicas_share_what_gpus_there_are_too_few_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replicas: int
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    place = {"data_dir": tmp_path, "model": "m", "host": "127.0.0.1", "port": 8000}
    for service in plan_services(**place, replicas=replicas):
        assert "CUDA_VISIBLE_DEVICES" not in service.environment


@pytest.mark.parametrize(
    ("sampling", "gpus", "options", "inside"),
    [
        ("auto", "", {}, False),
        ("auto", "0", {}, True),
        ("auto", "0", {"engine": "vllm"}, False),
        ("auto", "0", {"replicas": 2}, False),
        ("auto", "0 1", {}, False),
        ("inside", "", {}, True),
        ("service", "0", {}, False),
    ],
)
def test_who_samples(tmp_path, monkeypatch, *, sampling, gpus, options, inside) -> None:
    monkeypatch.setattr("tally.cli.stack.services._gpus", gpus.split)
    place = {"data_dir": tmp_path, "model": "m", "host": "127.0.0.1", "port": 8000}
    planned = plan_services(**place, **options, sampling=sampling, use_4bit=False)
    plan = {service.name: service.environment for service in planned}
    assert any(name.startswith("rollout") for name in plan) != inside
    learner = plan["learner"]
    assert (learner["TALLY_LEARNER_ROLLOUT__TARGET"] == "inside") == inside
    assert (learner.get("TALLY_LEARNER_INSIDE_USE_4BIT") == "false") == inside


@pytest.mark.parametrize("options", [["--replicas", "2"], ["--engine", "vllm"]])
def test_replicas_are_not_inside(tally: Tally, tmp_path: Path, options: list[str]) -> None:
    result = tally("up", "--rollouts", "inside", "--data-dir", tmp_path, *options)
    assert result.exit_code != 0
    assert "--rollouts inside has no rollout processes" in result.output


def test_a_gateway_that_answers_is_healthy(tmp_path: Path, gateway: FakeGateway) -> None:
    port = int(gateway.url.rpartition(":")[2])
    services = plan_services(data_dir=tmp_path, model="m", host="0.0.0.0", port=port)
    assert services[-1].is_healthy()
    assert not any(service.is_healthy() for service in services[:-1])


def test_a_folder_is_a_path_and_the_rest_is_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "policy").mkdir()
    monkeypatch.chdir(tmp_path)
    assert resolve_model("policy") == str(tmp_path / "policy")
    assert resolve_model("Qwen/Qwen2.5-VL-3B-Instruct") == "Qwen/Qwen2.5-VL-3B-Instruct"


def test_a_data_folder_has_one_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tally.cli.stack.running_stack.plan_services", lambda **_: [])
    first, second = free_ports(2)
    options = {"data_dir": tmp_path, "model": "m", "host": "127.0.0.1"}
    with (
        running_stack(StopRequest(), port=first, **options),
        pytest.raises(StackFailed, match="Another stack uses"),
        running_stack(StopRequest(), port=second, **options),
    ):
        pass


def test_an_interrupted_start_ends_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tally.cli.stack.supervisor.Supervisor.start", _interrupted)
    stopped: list[bool] = []
    monkeypatch.setattr(
        "tally.cli.stack.supervisor.Supervisor.stop", lambda self: stopped.append(True)
    )
    options = {"data_dir": tmp_path, "model": "m", "host": "127.0.0.1", "port": free_port()}
    with pytest.raises(Interrupted), running_stack(StopRequest(), **options):
        pass
    assert stopped == [True]


def _interrupted(self: object) -> None:
    raise Interrupted("Interrupted.")


def test_a_gateway_with_a_token_is_seen_to_be_healthy(
    gateway: FakeGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.token = "secret"
    port = int(gateway.url.rpartition(":")[2])
    plan = {"data_dir": tmp_path, "model": "some/model", "host": "127.0.0.1", "port": port}
    for shown, healthy in (("secret", True), ("another", False), ("", True)):
        monkeypatch.setenv("TALLY_GATEWAY_TOKEN", shown)
        assert plan_services(**plan)[-1].is_healthy() == healthy
