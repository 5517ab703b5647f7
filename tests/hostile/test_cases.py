"""cases.toml names every bad input and fault with the tests that hold it: each of them is there."""

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
CASES: dict[str, dict[str, str | list[str]]] = tomllib.loads(
    Path(__file__).with_name("cases.toml").read_text()
)
GROUPS = {
    "zip", "csv", "images", "bounded work", "json", "http", "between the services", "grpc", "faults"
}  # fmt: skip


def list_tests(case: str | list[str]) -> list[str]:
    return [case] if isinstance(case, str) else case


def named() -> Iterator[str]:
    for cases in CASES.values():
        for case in cases.values():
            yield from list_tests(case)


@pytest.fixture(scope="module")
def collected() -> set[str]:
    """What pytest finds in the files that are named, with and without parameters."""
    files = sorted({test.partition("::")[0] for test in named()})
    command = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", "--no-header", *files]
    ended = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    tests = {line.removeprefix("tests/") for line in ended.stdout.splitlines() if "::" in line}
    return tests | {test.partition("[")[0] for test in tests}


def test_every_group_has_cases_and_every_case_a_test():
    assert set(CASES) == GROUPS
    assert not [
        name for cases in CASES.values() for name, case in cases.items() if not list_tests(case)
    ]
    assert sum(map(len, CASES.values())) > 130


def test_every_test_that_is_named_is_there(collected: set[str]):
    assert not sorted(set(named()) - collected)
