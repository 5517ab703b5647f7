"""Names: what acts is a verb, and every suffix of a tensor's name is in the legend."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
HOUSE = ["gateway", "learner_service", "reward_service", "rollout_service", "tally", "bench"]
# Adjectives and nouns that end like a participle.
NO_PARTICIPLES = {"shared", "need", "feed", "seed", "embed", "speed", "red", "unfinished"}
PREPOSITIONS = {"any", "as", "from", "in", "into", "off", "over", "to", "with"}
SUFFIX = re.compile(r"[a-z0-9]+((?:_[A-Z])+)$")


def sources() -> Iterator[Path]:
    for folder in HOUSE:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "_pb2" not in path.name:
                yield path


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def is_property(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    names = {ast.unparse(decorator).split("(")[0] for decorator in function.decorator_list}
    return bool(
        names & {"property", "cached_property", "functools.cached_property", "pytest.fixture"}
    )


def test_functions_are_named_by_what_they_do():
    """`_joined` may be read as a noun; a function is called `_join`, a property `joined`."""
    found = [
        f"{path.relative_to(ROOT)}: {function.name}"
        for path in sources()
        for function in functions(ast.parse(path.read_text()))
        if not is_property(function) and is_participle_alone(function.name)
    ]
    assert not found, "\n".join(found)


def is_participle_alone(name: str) -> bool:
    """`_joined` and `_taken_in`, but not `_joined_rows`, which is a noun for what is given back."""
    first, *others = name.strip("_").split("_")
    return is_participle(first) and (not others or others[0] in PREPOSITIONS)


def is_participle(word: str) -> bool:
    irregular = {
        "made",
        "kept",
        "held",
        "sent",
        "read_",
        "taken",
        "shown",
        "drawn",
        "learnt",
        "left",
        "lost",
        "built",
        "found",
        "given",
        "chosen",
        "known",
        "written",
        "told",
        "laid",
    }
    return word not in NO_PARTICIPLES and (bool(re.fullmatch(r"\w+ed", word)) or word in irregular)


def test_every_suffix_of_a_tensors_name_is_in_the_legend():
    legend = set(re.findall(r"^\| `_([A-Z])` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.M))
    used: dict[str, set[str]] = {}
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            name = node.id if isinstance(node, ast.Name) else getattr(node, "arg", None)
            if isinstance(name, str) and (match := SUFFIX.fullmatch(name)):
                for axis in match[1].strip("_").split("_"):
                    used.setdefault(axis, set()).add(f"{path.relative_to(ROOT)}: {name}")
    assert used.keys() <= legend, {axis: used[axis] for axis in used.keys() - legend}
    assert legend <= used.keys(), f"nothing has the axis {legend - used.keys()}"
