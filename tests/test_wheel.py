"""The wheel beside other packages: what it installs, and that it runs where others lie."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from tally.cli.stack.ports import free_port
from tally.cli.stack.service_process import Service
from tally.cli.stack.services import plan_services
from tally.cli.stack.stack_secret import write_secret
from tests.checkout import copy_checkout
from tests.waiting import wait_until

PACKAGES = {"gateway", "learner_service", "reward_service", "rollout_service", "tally"}
# What the wheel once brought as top-level names of its own.
STRANGERS = ("cli", "rpc", "samples")
Process = subprocess.Popen[bytes]
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(("TALLY_", "PYTHONPATH"))}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    copy_checkout(folder / "checkout")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir=."]
    subprocess.run([*build, "./checkout"], cwd=folder, env=ENVIRONMENT, check=True)
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with the wheel, and with the packages of this one except for the checkout."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, symlinks=True)
    path = folder / "bin" / "python"
    install = ["install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(
        [sys.executable, "-m", "pip", f"--python={path}", *install], env=ENVIRONMENT, check=True
    )
    # Python does not read the .pth files of a folder that a .pth file names: an editable install
    # stays out of sight.
    _site_packages(folder).joinpath("others.pth").write_text(sysconfig.get_path("purelib"))
    return path


@pytest.fixture
def folder_of_strangers(tmp_path: Path) -> Path:
    """Packages that fail where they are taken for ours."""
    for name in STRANGERS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise ImportError('a stranger: {name}')\n")
    return tmp_path


def test_its_top_level_names_are_the_services_and_tally(wheel: Path):
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == PACKAGES


def test_every_package_of_the_wheel_says_that_it_is_typed(wheel: Path):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"{package}/py.typed" for package in PACKAGES} <= names


def test_its_packages_are_imported_from_where_it_was_installed(python: Path, tmp_path: Path):
    """Not from a checkout, which the tests below would then try instead."""
    said = "; ".join(f"import {name}; print({name}.__file__)" for name in sorted(PACKAGES))
    shown = subprocess.check_output([python, "-c", said], cwd=tmp_path, env=ENVIRONMENT, text=True)
    places = {Path(line).parents[1] for line in shown.splitlines()}
    assert places == {_site_packages(python.parents[1])}


@pytest.mark.parametrize("module", [(), ("-m", "tally.cli")])
def test_tally_runs_beside_strangers(
    python: Path, folder_of_strangers: Path, module: tuple[str, ...]
):
    command = [python, *module] if module else [python.with_name("tally")]
    shown = subprocess.run(
        [*command, "--help"],
        cwd=folder_of_strangers,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Usage" in shown.stdout


def test_every_service_runs_beside_strangers(python: Path, folder_of_strangers: Path):
    model = _site_packages(python.parents[1]) / "tally" / "samples" / "counting_policy"
    port = free_port()
    write_secret(folder_of_strangers / "data")
    services = plan_services(
        data_dir=folder_of_strangers / "data",
        model=str(model),
        host="127.0.0.1",
        port=port,
        engine="transformers",
    )
    with ExitStack() as running:
        for service in services:
            log = folder_of_strangers / f"{service.name}.log"
            process = running.enter_context(_run(service, python, folder_of_strangers, log))
            wait_until(partial(_has_come_up_or_ended, service, process), log.read_text)
            assert process.poll() is None, log.read_text()


@contextmanager
def _run(service: Service, python: Path, folder: Path, log: Path) -> Iterator[Process]:
    """`python -m SERVICE`, as a user would start it in `folder`."""
    command = [python, "-m", service.command[-1]]
    environment = ENVIRONMENT | service.environment
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=file, stderr=file)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _has_come_up_or_ended(service: Service, process: Process) -> bool:
    return process.poll() is not None or service.is_healthy()


def _site_packages(folder: Path) -> Path:
    [path] = folder.glob("lib/python*/site-packages")
    return path
