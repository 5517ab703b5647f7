"""What a job's events add up to: step, metrics, phase, time left."""

from collections import deque
from dataclasses import dataclass, field

from tally.cli.answers import Json
from tally.cli.durations import describe_duration
from tally.client import Event

_STEPS_AVERAGED = 20
# Of a job that has done steps; rollout, learning and saving alternate too quickly to be read.
_PHASES_WORTH_SAYING = ("queued", "loading", "waiting for rollout", "evaluating", "cancelling")


@dataclass(kw_only=True)
class JobState:
    """Where a watched job stands. Rates are in [0, 1], times in seconds."""

    phase: str = "queued"
    step: int = 0
    total_steps: int = 0
    metrics: Json = field(default_factory=dict)
    answered: int = 0
    answers: int = 0
    evaluation: Json | None = None
    status: str = "training"
    error_message: str = ""
    end_reason: str = ""
    notice: str = ""
    _step_seconds: deque[float] = field(default_factory=lambda: deque(maxlen=_STEPS_AVERAGED))

    def apply(self, event: Event) -> None:
        data = event.data
        self.notice = data.get("message", "") if event.kind == "notice" else ""
        match event.kind:
            case "phase":
                self.phase = (data.get("phase") or self.phase).replace("_", " ")
            case "worker":
                self.step = data.get("resumed_from_step", 0)
                self.notice = f"going on after step {self.step}" if self.step else ""
                self.total_steps = data.get("total_steps") or self.total_steps
            case "step":
                self._apply_step(data)
            case "evaluation_progress":
                self.phase = "evaluating"
                self.answered, self.answers = data.get("answered", 0), data.get("total", 0)
            case "held_out":
                self.notice = _describe_scores(data)
            case "evaluation":
                self.evaluation = data
            case "ended":
                self.status = data.get("status", "completed")
                self.error_message = data.get("error_message") or ""
                self.end_reason = data.get("end_reason") or ""

    def _apply_step(self, step: Json) -> None:
        self.step = step["step"]
        self.total_steps = step.get("total_steps") or self.total_steps
        self.metrics = step
        self.phase = "learning"
        if (seconds := step.get("step_seconds")) is not None:
            self._step_seconds.append(seconds)

    @property
    def ended(self) -> bool:
        return self.status != "training"

    @property
    def step_seconds(self) -> float | None:
        """Mean of the last steps, in seconds; None before the first."""
        if not self._step_seconds:
            return None
        return sum(self._step_seconds) / len(self._step_seconds)

    @property
    def seconds_left(self) -> float | None:
        """Of training; None while it can't be told."""
        if self.step_seconds is None or not self.total_steps:
            return None
        return self.step_seconds * max(0, self.total_steps - self.step)

    def describe(self) -> str:
        """One line: step, reward, exact rate, loss, seconds a step, time left."""
        if self.phase == "evaluating" and self.answers:
            return f"comparison {self.answered}/{self.answers}"
        if not self.step:
            return self.phase
        parts = [f"step {self.step}/{self.total_steps or '?'}"]
        labels = {"reward": "reward_mean", "exact": "exact_rate", "loss": "loss"}
        for label, name in labels.items():
            if (value := self.metrics.get(name)) is not None:
                parts.append(f"{label} {value:z.{4 if name == 'loss' else 2}f}")
        if self.step_seconds is not None:
            decimals = 2 if self.step_seconds < 1 else 1
            parts.append(f"{self.step_seconds:.{decimals}f} s/step")
        if self.seconds_left is not None:
            parts.append(f"{describe_duration(self.seconds_left)} left")
        if self.phase in _PHASES_WORTH_SAYING:
            parts.append(f"({self.phase})")
        return "  ".join(parts)


def _describe_scores(scored: Json) -> str:
    """'held out after step 40: exact 0.61 [0.54, 0.67], n=216, the best so far'."""
    low, high = scored["intervals"]["exact_rate"]
    figure = f"exact {scored['exact_rate']:.2f} [{low:.2f}, {high:.2f}], n={scored['num_samples']}"
    best = ", the best so far" if scored["is_best"] else ""
    return f"held out after step {scored['step']}: {figure}{best}"
