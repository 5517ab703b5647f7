"""Every service reads its settings the same way; one setting changed leaves its neighbours."""

import pytest

from gateway.settings import GatewaySettings
from learner_service.settings import LearnerSettings
from reward_service.settings import RewardSettings
from rollout_service.settings import RolloutSettings
from tally.rpc.settings import ServiceSettings

SERVICES = {
    "REWARD": (RewardSettings, 50051),
    "ROLLOUT": (RolloutSettings, 50052),
    "LEARNER": (LearnerSettings, 50053),
}


@pytest.mark.parametrize("name", SERVICES)
def test_a_host_from_the_environment_keeps_the_default_port(
    name: str, monkeypatch: pytest.MonkeyPatch
):
    settings_class, port = SERVICES[name]
    monkeypatch.setenv(f"TALLY_{name}_SERVER__HOST", "127.0.0.2")
    settings = settings_class.read([])
    assert (settings.server.host, settings.server.port) == ("127.0.0.2", port)


def test_a_target_from_the_environment_keeps_the_default_deadline(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TALLY_LEARNER_ROLLOUT__TARGET", "dns:///rollout:50052")
    rollout = LearnerSettings.read([]).rollout
    assert (rollout.target, rollout.timeout_seconds) == ("dns:///rollout:50052", 300)


@pytest.mark.parametrize("name", SERVICES)
def test_an_option_wins_over_the_environment(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(f"TALLY_{name}_SERVER__PORT", "1")
    assert SERVICES[name][0].read(["--server.port", "2"]).server.port == 2


@pytest.mark.parametrize(
    "settings_class", [GatewaySettings, *(service for service, _ in SERVICES.values())]
)
def test_a_wrong_setting_is_named_and_ends_with_2(
    settings_class: type[ServiceSettings], capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as caught:
        settings_class.read(["--log-level", "loud"])
    assert caught.value.code == 2
    assert "log" in capsys.readouterr().err
