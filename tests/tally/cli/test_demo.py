"""The demo against stand-in services: its files, its last line, and how it fails."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from tally.cli.commands import demo_settings
from tally.cli.commands.demo import summary
from tally.cli.main import app
from tally.cli.show.curves import draw_curves, running_mean
from tally.cli.stack.service_process import Service
from tally.cli.stack.services import _http_check
from tally.cli.stack.supervisor import Supervisor
from tests.fakes.gateway import EVALUATION, RESULT

_HOUSE = Path(__file__).parents[3]
_GATEWAY = """
import sys, uvicorn
from tests.fakes.gateway import FakeGateway, _app, completed_events
fake = FakeGateway(events=eval(sys.argv[2]))
fake.job["status"] = "training"
print("the fake gateway starts", flush=True)
uvicorn.run(_app(fake), port=int(sys.argv[1]), ws="none", lifespan="off")
"""
_FAILED = '[("ended", {"status": "failed", "error_message": "out of memory"})]'


@pytest.fixture(autouse=True)
def _short_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_settings, "TRAINING_SCENES", 3)
    monkeypatch.setattr(demo_settings, "HELD_OUT_SCENES", 2)


def _demo(
    monkeypatch: pytest.MonkeyPatch,
    output: Path,
    events: str,
    learner: str = "sleep(600)",
    sampling: str = "auto",
) -> Result:
    """Runs `tally demo` with a fake gateway and a learner that does as it is told."""

    def plan(*, port: int, **settings: object) -> list[Service]:
        assert settings["sampling"] == sampling
        python = (sys.executable, "-c")
        code = f"from time import sleep\nprint('the learner starts', flush=True)\n{learner}"
        path = {"PYTHONPATH": str(_HOUSE)}
        return [
            Service(name="learner", command=(*python, code), is_healthy=lambda: True),
            Service(
                name="gateway",
                command=(*python, _GATEWAY, str(port), events),
                environment=path,
                is_healthy=_http_check(f"http://127.0.0.1:{port}/healthz"),
            ),
        ]

    monkeypatch.setattr("tally.cli.stack.running_stack.plan_services", plan)
    options = [] if sampling == "auto" else ["--rollouts", sampling]
    return CliRunner().invoke(app, ["demo", "--output", str(output), *options])


def _picture(path: Path) -> tuple[str | None, tuple[int, int]]:
    with Image.open(path) as image:
        return image.format, image.size


def test_the_demo_ends_with_the_comparison(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ended = _demo(monkeypatch, tmp_path, "completed_events(30)", sampling="inside")
    assert ended.exit_code == 0, ended.output
    last = ended.stdout.splitlines()[-1]
    assert last == "held-out exact rate: base 0.43, adapter 0.96, n=216"
    assert "step 30/30" in ended.stdout
    assert (tmp_path / "adapter.zip").read_bytes() == RESULT
    assert _picture(tmp_path / "curves.png") == ("PNG", (1560, 480))


def test_a_failed_job_shows_the_learners_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ended = _demo(monkeypatch, tmp_path, _FAILED)
    assert ended.exit_code == 1
    assert "ended as failed: out of memory" in ended.stderr
    assert "the learner starts" in ended.stderr
    assert (tmp_path / "logs" / "gateway.log").is_file()


def test_a_service_that_cannot_start_fails_the_demo(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ended = _demo(monkeypatch, tmp_path, "[]", learner="raise SystemExit('no such model')")
    assert ended.exit_code == 1
    assert "The learner service ended with exit code 1 before it was ready." in ended.stderr
    assert "no such model" in ended.stderr


def test_a_service_that_keeps_dying_fails_the_demo(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken, run = tmp_path / "broken", Supervisor.run

    def run_and_break(self: Supervisor, until: Callable[[], bool]) -> None:
        broken.touch()
        run(self, until)

    monkeypatch.setattr(Supervisor, "run", run_and_break)
    learner = f"import os\nwhile not os.path.exists({str(broken)!r}): sleep(0.01)\nexit(3)"
    ended = _demo(monkeypatch, tmp_path, "completed_events()[:2]", learner)
    assert ended.exit_code == 1
    assert "after 5 restarts" in ended.stderr


def test_the_summary_has_two_decimals() -> None:
    assert summary(EVALUATION) == "held-out exact rate: base 0.43, adapter 0.96, n=216"


def test_curves_leave_out_what_was_not_measured(tmp_path: Path) -> None:
    steps = [{"step": i, "loss": None, "reward_mean": 0.5} for i in range(1, 4)]
    draw_curves(steps, tmp_path / "curves.png", title="three steps")
    assert _picture(tmp_path / "curves.png") == ("PNG", (1560, 480))


def test_a_running_mean_looks_back() -> None:
    assert running_mean([1.0, 2.0, 3.0, 4.0], 2) == [1.0, 1.5, 2.5, 3.5]
