"""Memory of a whole stack that trains: a job that samples inside, and one beside a rollout service.

    python -m bench.one_card [--quick] [--layers 36] [--precision 4bit] [--folder FOLDER] …

The job is that of bench/real_shape.py, in NF4 where nothing else is said, a prompt a step, at the
documented rank; it has no GPU. Sizes are of the moment at which all processes together held most,
looked for every two seconds; a page that several have mapped counts once. Libraries are pages of
their files, and what importing them leaves: tensors are what is beyond, weights mapped from files
among them.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench.imported_memory import imported_bytes
from bench.memory_parts import MemoryParts
from bench.real_shape import run
from bench.real_shape_folder import write_real_shape
from bench.real_shape_settings import RealShape, chosen_shape, shape_options
from bench.report import print_json, print_table
from tally.cli.stack.services import SamplingPlace

_GIB = 1024**3
PLACES: Sequence[SamplingPlace] = ("service", "inside")
# The processes that hold tensors by the module that they run, and what they import in time.
HOLDERS: Mapping[str, Sequence[str]] = {
    "learner_service.worker.start": ("learner_service.worker.worker",),
    "rollout_service": ("rollout_service.__main__", "rollout_service.torch_replica"),
}
_NAMED_PACKAGES = 5


@dataclass(frozen=True, kw_only=True)
class StackMemory:
    """Bytes, all at one moment: `code` by package, the others by the module of the process.

    `imports` are those of who holds tensors. What such a process holds besides: `files` are weights
    held as they are stored, of which pages come in as they are used; of its own, `base` is what it
    held when it began to work, `work` what it held beyond. `services` are the processes without.
    """

    code: Mapping[str, int]
    imports: Mapping[str, int]
    services: Mapping[str, int]
    files: Mapping[str, int]
    base: Mapping[str, int]
    work: Mapping[str, int]

    @classmethod
    def of(
        cls,
        parts: Mapping[str, MemoryParts],
        loaded: Mapping[str, MemoryParts],
        imports: Mapping[str, int],
    ) -> "StackMemory":
        """`parts` are of the moment, `loaded` of when work began."""
        holders = [module for module in parts if module in imports]
        nothing = MemoryParts()
        base = {m: max(0, loaded.get(m, nothing).own - imports[m]) for m in holders}
        return cls(
            code=dict(sum((part.code for part in parts.values()), Counter[str]())),
            imports={module: imports[module] for module in holders},
            services={m: part.own + part.files for m, part in parts.items() if m not in imports},
            files={module: parts[module].files for module in holders},
            base=base,
            work={m: parts[m].own - imports[m] - base[m] for m in holders},
        )

    @property
    def libraries(self) -> int:
        return sum(self.code.values()) + sum(self.imports.values())

    @property
    def tensors(self) -> int:
        return sum(sum(part.values()) for part in (self.files, self.base, self.work))

    @property
    def whole(self) -> int:
        return self.libraries + sum(self.services.values()) + self.tensors

    def rows(self) -> Iterator[tuple[str, int]]:
        """What each part is, the largest packages by name."""
        code = Counter(self.code)
        for package, size in code.most_common(_NAMED_PACKAGES):
            yield f"library: files of {package}", size
        named = dict(code.most_common(_NAMED_PACKAGES))
        yield "library: files of all others", code.total() - sum(named.values())
        for module, size in self.imports.items():
            yield f"library: imports of {module}", size
        for module, size in self.services.items():
            yield f"service: {module or 'others'}", size
        for module, size in self.files.items():
            yield f"tensors: {module}, in files", size
        for module, size in self.base.items():
            yield f"tensors: {module}, loaded", size
        for module, size in self.work.items():
            yield f"tensors: {module}, at work", size


def measure(shape: RealShape, model: Path, folder: Path, imports: Mapping[str, int]) -> StackMemory:
    figures, _ = run(shape, model, folder)
    return StackMemory.of(figures.most, figures.loaded, imports)


def print_memory(shape: RealShape, stacks: Mapping[SamplingPlace, StackMemory]) -> None:
    service, inside = (stacks[place] for place in PLACES)
    rows = {place: dict(stack.rows()) for place, stack in stacks.items()}
    names = dict.fromkeys(name for place in PLACES for name in rows[place])
    table = [[name, *(_size(rows[place].get(name)) for place in PLACES), ""] for name in names]
    for name in ("libraries", "tensors", "whole"):
        sizes = [getattr(stack, name) for stack in (service, inside)]
        table.append([f"all: {name}", *map(_size, sizes), sizes[1] / sizes[0]])
    print_table(["GiB", *PLACES, "inside over service"], table)
    settings = {name: value for name, value in asdict(shape).items() if name != "rollouts"}
    print_json("one_card", settings, {place: asdict(stacks[place]) for place in PLACES})


def _size(size_bytes: int | None) -> object:
    return "" if size_bytes is None else size_bytes / _GIB


def main() -> None:
    parser = shape_options("memory of a whole stack that trains, sampling inside and by a service")
    parser.set_defaults(layers=36, precision="4bit", kept="bfloat16")
    arguments = parser.parse_args()
    shape = chosen_shape(arguments)
    imports = {module: imported_bytes(*imported) for module, imported in HOLDERS.items()}
    stacks: dict[SamplingPlace, StackMemory] = {}
    with tempfile.TemporaryDirectory() as temporary:
        model = write_real_shape(Path(arguments.folder or temporary), layers=shape.layers)
        for place in PLACES:
            folder = Path(temporary) / place
            folder.mkdir()
            stacks[place] = measure(replace(shape, rollouts=place), model, folder, imports)
    print_memory(shape, stacks)


if __name__ == "__main__":
    main()
