"""Memory that importing leaves, pages of files apart, in a process of its own, as in a worker's:
`python -m bench.imported_memory MODULE …`.
"""

import sys

from bench.memory_parts import memory_parts
from bench.report import print_json, run_apart
from learner_service.lean_imports import import_lean


def imported_bytes(*modules: str) -> int:
    figures = run_apart("bench.imported_memory", *modules)
    return int(figures["own_bytes"])


def main() -> None:
    for module in sys.argv[1:]:
        import_lean(module)
    print_json("imported_memory", {"modules": sys.argv[1:]}, {"own_bytes": memory_parts().own})


if __name__ == "__main__":
    main()
