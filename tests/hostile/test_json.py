"""JSON: refused by the field, whatever is in it."""

import json
from typing import Any

import pytest

from tests.gateway.packing import good_zip
from tests.hostile.oracle import Refused, Target, judge, train, upload

FIELDS: dict[str, list[object]] = {
    "job_name": [None, "", " ", 3, [], {}, "a\0b", "a\nb", "a\x1b[2Jb", "a\u202eb", "x" * 201],
    "data_file_id": [None, 3, "", [], "x" * 201],
    "training_config": [None, [], "fast", 3],
    "training_config.learning_rate": [0, -1, 2, "5e-5", True, None, 1e308, []],
    "training_config.num_epochs": [0, -1, 10**9, 1.5, "3", True, None],
    "training_config.num_generations": [1, 10**6, 2.5],
    "training_config.batch_size": [0, 10**18, 2**63, 10**100],
    "training_config.use_4bit": [1, "true", None],
    "training_config.temperature": [0, 11],
    "training_config.seed": [-1, 2**32, 10**30],
    "training_config.loss_type": ["DAPO", "ppo", 4, None],
    "training_config.unknown": [1, None, {}],
    "lora_config": [None, 7],
    "lora_config.r": [0, 2.0, "64", 513],
    "lora_config.lora_dropout": [1, -0.1],
    "model": ["/etc/passwd", "../model", "~/model", "file:///model", "./m", 7, "", "a/b/c", "a\0"],
    "trust_remote_code": [True, False],
    "rewards": [None, {}, "exact"],
    "evaluation_share": [-0.1, 0.6, "0.1"],
    "fresh": ["true", 1, None],
    "__proto__": [{}],
}
NO_NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 5_000, "0x10", "1_000"]
BODIES = {
    "nothing": b"",
    "cut short": b"{",
    "a list": b"[]",
    "null": b"null",
    "a number": b"7",
    "a text": b'"text"',
    "no UTF-8": b"\xff\xfe",
    "UTF-16": '{"job_name": "a"}'.encode("utf-16"),
    "deep lists": b"[" * 200_000,
    "deep objects": b'{"a":' * 50_000,
    "half a character": b'{"\\ud800": 1}',
    "a doubled field": b'{"job_name": "a", "job_name": 3, "data_file_id": "x"}',
    "a trailing comma": b'{"job_name": "a",}',
    "two bodies": b"{}{}",
    "a byte-order mark": b"\xef\xbb\xbf[]",
    "many fields": json.dumps({str(n): 0 for n in range(20_000)}).encode(),
    "many rewards": json.dumps({"rewards": [{}] * 60_000}).encode(),
}


def body_with(path: str, value: object) -> dict[str, Any]:
    body: dict[str, Any] = {"job_name": "apples", "data_file_id": "any"}
    *parents, last = path.split(".")
    place = body
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = value
    return body


@pytest.mark.parametrize("path", FIELDS)
def test_a_bad_value_is_refused_by_its_field(target: Target, path: str) -> None:
    for value in FIELDS[path]:
        judge(target, train(body_with(path, value)), Refused(422, path))


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_a_number_that_is_none_is_refused(target: Target, text: str) -> None:
    body = f'{{"job_name": "a", "data_file_id": "b", "training_config": {{"beta": {text}}}}}'
    judge(target, train(body), Refused())


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_no_job_is_refused(target: Target, name: str) -> None:
    judge(target, train(BODIES[name]), Refused())


@pytest.mark.parametrize("size_bytes", [256 * 2**10 + 1, 100 * 2**20])
def test_a_large_body_is_too_large(target: Target, size_bytes: int) -> None:
    judge(target, train(b" " * size_bytes), Refused(413, "body"))


@pytest.mark.parametrize("weight", [None, "1", [], {}])
def test_a_bad_reward_is_refused_by_its_field(target: Target, weight: object) -> None:
    rewards = [{"name": "progressive_count", "weight": weight}]
    judge(target, train(body_with("rewards", rewards)), Refused(where="rewards.0.weight"))


@pytest.mark.parametrize("name", ["unknown", "../x", "", "\0", "x" * 10_000])
def test_an_unknown_reward_is_refused(target: Target, name: str) -> None:
    file_id = upload(good_zip())(target.client).json()["file_id"]
    body = {**body_with("rewards", [{"name": name}]), "data_file_id": file_id}
    judge(target, train(body), Refused(where="rewards"))


@pytest.mark.parametrize("file_id", ["nope", "../x", "\0", "2f6d1c9a-0b0e-4b4e-8a51-0f6b8f1f7c33"])
def test_an_unknown_file_is_not_found(target: Target, file_id: str) -> None:
    judge(target, train(body_with("data_file_id", file_id)), Refused(404, "data_file_id"))


@pytest.mark.parametrize("body", [{}, {"file_id": 3}, {"file_id": "x", "y": 1}, [], None])
def test_a_comparison_without_its_file_is_refused(target: Target, body: object) -> None:
    send = lambda client: client.post("/jobs/x/evaluate", json=body)  # noqa: E731
    judge(target, send, Refused((404, 422)))
