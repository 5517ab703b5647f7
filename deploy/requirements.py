"""`python requirements.py EXTRA`: what an extra of pyproject.toml needs, one requirement a line.

An image installs these before it copies any code, so that a change of code leaves them cached.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def requirements(project: dict[str, Any], extra: str) -> list[str]:
    """The project's own requirements and those of `extra`, without the project itself."""
    return sorted({*project["dependencies"], *_of_extra(project, extra)})


def _of_extra(project: dict[str, Any], extra: str) -> Iterator[str]:
    for requirement in project["optional-dependencies"][extra]:
        if own := re.fullmatch(rf"{project['name']}\[(.+)\]", requirement):
            for other in own[1].split(","):
                yield from _of_extra(project, other.strip())
        else:
            yield requirement


if __name__ == "__main__":
    table = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    sys.stdout.writelines(f"{line}\n" for line in requirements(table, sys.argv[1]))
