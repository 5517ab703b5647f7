"""`python -m reward_service.installed.program NAME PARENT_PID`: the process of one reward.

A line of JSON in for each batch of answers, a line out: {"values": [...]} or {"fault": "..."};
the first one says {"description": "..."} once the reward is loaded. What a package prints goes to
the log of the service.
"""

import json
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, Protocol, TextIO

from reward_service.installed.entry_points import entry_point
from reward_service.read_answer import ReadAnswer
from tally.host.parent import end_with_parent


class InstalledClass(Protocol):
    """What an entry point of `tally.rewards` names."""

    description: str

    def values(self, answers: Sequence[ReadAnswer]) -> Sequence[float]:
        """One finite number for each answer, in order."""
        ...


class Unusable(Exception):
    """A class that is no reward; the message ends a sentence about it."""


def main() -> None:
    name, parent_pid = sys.argv[1], int(sys.argv[2])
    end_with_parent(parent_pid)
    requests, responses = _take_pipes()
    try:
        reward = _load(name)
    except Unusable as error:
        _write(responses, {"fault": str(error)})
        return
    _write(responses, {"description": reward.description})
    for line in requests:
        _write(responses, _answer(reward, json.loads(line)))


def _take_pipes() -> tuple[TextIO, TextIO]:
    """Standard input and output for this program alone: what else prints, prints to the log."""
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    responses = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return requests, responses


def _load(name: str) -> InstalledClass:
    try:
        reward = entry_point(name).load()()
    except Exception as error:
        traceback.print_exc()
        raise Unusable(f"cannot be loaded: {type(error).__name__}") from error
    if not isinstance(getattr(reward, "description", None), str):
        raise Unusable("has no description: give its class a sentence of that name")
    if not callable(getattr(reward, "values", None)):
        raise Unusable("has no method values, which takes a list of answers")
    return reward


def _answer(reward: InstalledClass, answers: Sequence[Sequence[Any]]) -> dict[str, Any]:
    try:
        values = reward.values([_read_answer(*answer) for answer in answers])
        return {"values": [float(value) for value in values]}
    except Exception as error:
        traceback.print_exc()
        return {"fault": f"raised {type(error).__name__}"}


def _read_answer(text: str, true_count: int, count: int | None) -> ReadAnswer:
    difference = None if count is None else abs(count - true_count)
    return ReadAnswer(text=text, true_count=true_count, count=count, difference=difference)


def _write(responses: TextIO, message: dict[str, Any]) -> None:
    responses.write(json.dumps(message) + "\n")
    responses.flush()


if __name__ == "__main__":
    main()
