"""The folder of a model with an adapter in its weights, as a ZIP."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from transformers.utils import cached_file

from learner_service.merging.low_rank import name_weights, read_low_ranks
from learner_service.merging.merged_file import check_mergeable, merged_blocks
from learner_service.merging.zip_stream import zip_blocks
from tally.families.family import Family
from tally.rpc.errors import FailedPrecondition
from tally.weights.checkpoint import find_checkpoint

_CARD = "README.md"
_OF_BASE = ("config.json", "generation_config.json", "model.safetensors.index.json", "LICENSE")
_OF_OUTPUT = (
    "tokenizer.json",
    "tokenizer_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    "chat_template.jinja",
)


class MergedModel:
    def __init__(self, source: str, family: Family, output: Path, card: str) -> None:
        """`source` is the base, a folder or a hub name; `output` the folder of a job's result.

        Raises FailedPrecondition where the adapter can't be merged into this base.
        """
        try:
            checkpoint = find_checkpoint(source)
        except OSError as error:
            message = "the base model's files can't be read; the learner's log says more"
            raise FailedPrecondition(message) from error
        tensors = checkpoint.tensors()
        self._added = name_weights(read_low_ranks(output, family), tensors, family)
        check_mergeable(tensors, self._added)
        self._weight_files = checkpoint.files
        self._small_files = [
            *_of_base(source),
            *filter(Path.exists, map(output.joinpath, _OF_OUTPUT)),
        ]
        self._card = card

    def zip_blocks(self) -> Iterator[bytes]:
        """The archive's bytes: the base's own files and names, to be loaded as the base is."""
        return zip_blocks(self._entries())

    def _entries(self) -> Iterator[tuple[str, Iterable[bytes]]]:
        yield _CARD, [self._card.encode()]
        for path in self._small_files:
            yield path.name, [path.read_bytes()]
        for path in self._weight_files:
            yield path.name, merged_blocks(path, self._added)


def _of_base(source: str) -> Iterator[Path]:
    for name in _OF_BASE:
        found = cached_file(
            source,
            name,
            _raise_exceptions_for_gated_repo=False,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
        if found:
            yield Path(found)
