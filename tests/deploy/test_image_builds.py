"""What an image holds is enough: its files, built in a folder by the Dockerfile's own commands."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tally.cli.stack.ports import free_port
from tests.deploy.building import Built
from tests.deploy.images import image
from tests.test_house import MAY_IMPORT
from tests.waiting import wait_until

PORT = {"reward": "TALLY_REWARD_SERVER__PORT", "gateway": "TALLY_GATEWAY_PORT"}
# Without these they don't start: an image listens on every interface.
SECRETS = {
    "reward": {"TALLY_REWARD_SERVICES_SECRET": "a secret of the services, long enough"},
    "gateway": {"TALLY_GATEWAY_TOKEN": "an operator's token"},
}
BARRED = {
    "reward": {"torch", "fastapi", "transformers"},
    "gateway": {"torch", "transformers", "peft"},
}


def installed(built: Built) -> set[str]:
    command = [sys.executable, "-m", "pip", "--python", built.python, "list", "--format=freeze"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {line.split("==")[0].lower() for line in listing.splitlines()}


def is_healthy(built: Built, service: str, environment: dict[str, str]) -> bool:
    command = built.command(image(service).health_check)
    return subprocess.run(command, env=environment, check=False, timeout=60).returncode == 0


@pytest.mark.parametrize("service", sorted(PORT))
def test_it_starts_is_healthy_and_ends_on_sigterm(service: str, tmp_path: Path):
    built = Built(service, tmp_path)
    built.build_dependencies()
    built.build_code()
    assert not installed(built) & (BARRED[service] | {"pip", "setuptools"})
    environment = built.environment(**{PORT[service]: str(free_port())}, **SECRETS[service])
    process = subprocess.Popen(
        built.command(image(service).entrypoint), cwd=tmp_path, env=environment
    )
    try:
        wait_until(lambda: process.poll() is not None or is_healthy(built, service, environment))
        assert process.poll() is None, "it ended by itself"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
        assert not is_healthy(built, service, environment)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("service", ["learner", "rollout"])
def test_its_code_is_enough_beside_its_dependencies(service: str, tmp_path: Path):
    built = Built(service, tmp_path)
    built.build_code()
    module = image(service).entrypoint[2]
    folders = {path.name for path in built.app.iterdir() if path.suffix != ".dist-info"}
    packages = {f"tally.{path.name}" for path in (built.app / "tally").iterdir() if path.is_dir()}
    assert folders == {module, "tally"}
    assert packages == MAY_IMPORT[module]
    # With -S no .pth file is read, so that an editable install can't stand in for what is missing.
    site_packages = [path for path in sys.path if path.endswith("site-packages")]
    done = subprocess.run(
        [sys.executable, "-S", "-m", module, "--help"],
        env=built.environment(PYTHONPATH=os.pathsep.join([str(built.app), *site_packages])),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "--server.port" in done.stdout
