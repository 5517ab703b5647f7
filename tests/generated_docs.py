"""Writes the tables of the documents from what the code states, or checks that none is stale.

A table stands between `<!-- table: NAME -->` and `<!-- end of table -->`.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from string import Formatter

from pydantic import BaseModel

from gateway.app import create_app
from gateway.jobs.train_models import TrainRequest
from gateway.messages.languages import Language
from gateway.messages.message import SENTENCES
from gateway.settings import GatewaySettings
from learner_service.host.settings import HostSettings
from learner_service.settings import LearnerSettings
from reward_service.settings import RewardSettings
from rollout_service.settings import RolloutSettings
from tally.job.metrics import StepMetrics
from tally.job.settings import LoraConfig, TrainingConfig
from tally.rpc.settings import ServiceSettings
from tests.setting_words import (
    dataclass_schemas,
    default_in_words,
    range_in_words,
    schemas_of,
    size_in_words,
)

DOCS = Path(__file__).parent.parent / "docs"
_REGION = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
_FORMAT = re.compile(r":[^{}]+\}")
# Parts of other sentences, and warnings: no error has them for its code.
_NO_ERRORS = {"at", "and_more", "row", "row_repeats", "image_unused", "more_of_this_kind"}
Row = Sequence[str]


def _table(header: Row, rows: Iterable[Row]) -> str:
    rule = f"{'|---' * len(header)}|\n"
    return _line(header) + rule + "".join(map(_line, rows))


def _line(cells: Row) -> str:
    escaped = [cell.replace("|", "\\|") for cell in cells]
    return f"| {' | '.join(escaped)} |\n"


def _settings_table(group: type[BaseModel], name: str) -> str:
    """Of a part of the body of POST /train; the parts within it have tables of their own."""
    schemas = {name: one for name, one in schemas_of(group).items() if "$ref" not in one}
    rows = [
        [f"`{field}`", _default(group, field), range_in_words(one), one["description"]]
        for field, one in schemas.items()
    ]
    return _table([name, "default", "range", "meaning"], rows)


def _default(group: type[BaseModel], field: str) -> str:
    stated = group.model_fields[field]
    if stated.is_required():
        return "required"
    return default_in_words(stated.get_default(call_default_factory=True))


def _metrics_table() -> str:
    schemas = dataclass_schemas(StepMetrics)
    return _table(
        ["metric", "what it is"], [[f"`{k}`", one["description"]] for k, one in schemas.items()]
    )


def _endpoints_table() -> str:
    listed = create_app(GatewaySettings(_cli_parse_args=[])).state.endpoints
    return _table(["endpoint", "what it is for"], [[f"`{k}`", v] for k, v in listed.items()])


def _service_table(settings: type[ServiceSettings]) -> str:
    variables = _variables(settings.model_construct(), settings.model_config["env_prefix"])
    return _table(["variable", "default", "meaning"], variables)


def _variables(group: BaseModel, prefix: str) -> Iterator[Row]:
    """A row for each variable; those that are only set together share one."""
    for name, field in type(group).model_fields.items():
        value, variable = getattr(group, name), f"{prefix}{name.upper()}"
        if not isinstance(value, BaseModel):
            yield [f"`{variable}`", size_in_words(name, value), field.description or ""]
        elif all(inner is None for _, inner in value):
            first, *others = [f"__{inner.upper()}" for inner, _ in value]
            names = ", ".join([f"`{variable}{first}`", *(f"`{other}`" for other in others)])
            yield [names, "unset", field.description or ""]
        else:
            yield from _variables(value, f"{variable}__")


def _error_codes_table() -> str:
    english, chinese = (SENTENCES[language] for language in Language)
    codes = [code for code in english if code not in _NO_ERRORS]
    rows = [[f"`{code}`", _shown(english[code]), _shown(chinese[code])] for code in codes]
    return _table(["code", "English", "繁體中文"], rows)


def _shown(sentence: str) -> str:
    """Its values by their names; `<` begins no markup."""
    values = {name: f"{{{name}}}" for _, name, _, _ in Formatter().parse(sentence) if name}
    plain = _FORMAT.sub("}", sentence)
    return plain.format(**values).replace("<", "&lt;")


TABLES: dict[str, Callable[[], str]] = {
    "train_request": lambda: _settings_table(TrainRequest, "field"),
    "training_config": lambda: _settings_table(TrainingConfig, "`training_config`"),
    "lora_config": lambda: _settings_table(LoraConfig, "`lora_config`"),
    "metrics": _metrics_table,
    "endpoints": _endpoints_table,
    "error_codes": _error_codes_table,
    "gateway_settings": lambda: _service_table(GatewaySettings),
    "learner_settings": lambda: _service_table(LearnerSettings),
    "host_settings": lambda: _service_table(HostSettings),
    "rollout_settings": lambda: _service_table(RolloutSettings),
    "reward_settings": lambda: _service_table(RewardSettings),
}


def with_tables(text: str) -> str:
    """The document with its tables as they are today; raises KeyError for an unknown one."""
    return _REGION.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}{found[3]}", text)


def stale_documents() -> list[Path]:
    documents = {path: path.read_text() for path in sorted(DOCS.glob("*.md"))}
    return [path for path, text in documents.items() if with_tables(text) != text]


def main() -> None:
    stale = stale_documents()
    if sys.argv[1:] == ["write"]:
        for path in stale:
            path.write_text(with_tables(path.read_text()))
    elif stale:
        sys.exit(f"stale, run `make docs`: {', '.join(path.name for path in stale)}")


if __name__ == "__main__":
    main()
