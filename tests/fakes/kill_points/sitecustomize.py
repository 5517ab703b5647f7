"""Kills this process with SIGKILL at one point of a training step, once.

Python imports a module of this name by itself when it starts, where its folder is on PYTHONPATH.
The file that KILL_POINT_FILE names holds the name of a point; it is removed just before the kill,
so that whoever comes after goes on.
"""

import importlib.util
import os
import signal
import sys
from collections.abc import Callable
from functools import wraps
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

_FILE = Path(os.environ["KILL_POINT_FILE"])


class _Point(NamedTuple):
    """A method, what is made of it, and the call that it kills in."""

    module: str
    owner: str
    method: str
    wrap: Callable[..., Callable[..., Any]]
    call: int


def _kill(*_: object) -> None:
    _FILE.unlink()
    os.kill(os.getpid(), signal.SIGKILL)


def _before(original: Callable[..., Any], counted: Callable[[], bool]) -> Callable[..., Any]:
    @wraps(original)
    def changed(*arguments: Any, **options: Any) -> Any:
        if counted():
            _kill()
        return original(*arguments, **options)

    return changed


def _after(original: Callable[..., Any], counted: Callable[[], bool]) -> Callable[..., Any]:
    @wraps(original)
    def changed(*arguments: Any, **options: Any) -> Any:
        result = original(*arguments, **options)
        if counted():
            _kill()
        return result

    return changed


def _in_backward(original: Callable[..., Any], counted: Callable[[], bool]) -> Callable[..., Any]:
    """Of the loss that it returns first."""

    @wraps(original)
    def changed(*arguments: Any, **options: Any) -> Any:
        loss, *others = original(*arguments, **options)
        if counted():
            loss.register_hook(_kill)
        return loss, *others

    return changed


def _in_optimizer(original: Callable[..., Any], counted: Callable[[], bool]) -> Callable[..., Any]:
    """Once it has changed the weights, and before anybody knows."""

    @wraps(original)
    def changed(*arguments: Any, **options: Any) -> Any:
        optimizer = original(*arguments, **options)
        optimizer.register_step_post_hook(lambda *_: _kill() if counted() else None)
        return optimizer

    return changed


POINTS = {
    "publish": _Point(
        "learner_service.policy.adapters", "AdapterPublisher", "_make_known", _before, 3
    ),
    "rollout wait": _Point("learner_service.grpo.group_wait", "GroupWait", "begin", _after, 3),
    "backward": _Point(
        "learner_service.grpo.step", "StepLearner", "_compute_loss", _in_backward, 3
    ),
    "optimizer": _Point(
        "learner_service.grpo.trainer", "GRPOTrainer", "create_optimizer", _in_optimizer, 3
    ),
    "checkpoint": _Point(
        "learner_service.grpo.recent_adapters", "RecentAdapters", "save", _before, 2
    ),
}


class _Finder(MetaPathFinder):
    """Changes the point's method once its module has been run."""

    def __init__(self, point: _Point) -> None:
        self._point = point
        self._calls = 0

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if name != self._point.module:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec
        assert spec.loader
        run = spec.loader.exec_module

        def run_and_change(module: ModuleType) -> None:
            run(module)
            owner = getattr(module, self._point.owner)
            original = getattr(owner, self._point.method)
            setattr(owner, self._point.method, self._point.wrap(original, self._is_call))

        spec.loader.exec_module = run_and_change  # type: ignore[method-assign]
        return spec

    def _is_call(self) -> bool:
        self._calls += 1
        return self._calls == self._point.call


if _FILE.exists():
    sys.meta_path.insert(0, _Finder(POINTS[_FILE.read_text()]))
