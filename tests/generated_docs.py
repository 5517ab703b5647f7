"""Writes the tables of the documents, and the client's types, from what the code states; or checks
that none is stale.

A table stands between `<!-- table: NAME -->` and `<!-- end of table -->`.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from string import Formatter
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from pydantic import BaseModel

from gateway.app import create_app
from gateway.jobs.train_models import TrainRequest
from gateway.metrics import GatewayMetrics
from gateway.settings import GatewaySettings
from learner_service.host.settings import HostSettings
from learner_service.metrics import LearnerMetrics
from learner_service.settings import LearnerSettings
from reward_service.metrics import RewardMetrics
from reward_service.settings import RewardSettings
from rollout_service.metrics import RolloutMetrics
from rollout_service.settings import RolloutSettings
from tally.families.qwen2_5_vl import QWEN2_5_VL
from tally.job.metrics import StepMetrics
from tally.job.prompt_template import PromptTemplate
from tally.job.settings import LoraConfig, TrainingConfig
from tally.messages.languages import Language
from tally.messages.message import SENTENCES
from tally.metrics.calls import CallMetrics
from tally.metrics.data_folder import free_space
from tally.metrics.gpu_memory import gpu_memory
from tally.metrics.readings import Readings
from tally.metrics.registry import new_registry
from tally.rpc.settings import ServiceSettings
from tests.card_table import card_rows
from tests.generated_answers import answers_module
from tests.held_out_table import held_out_rows
from tests.setting_words import (
    dataclass_schemas,
    default_in_words,
    range_in_words,
    schemas_of,
    size_in_words,
)

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
ANSWERS = ROOT / "tally" / "client" / "answers.py"
_REGION = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
_FORMAT = re.compile(r":[^{}]+\}")
# Parts of other sentences, and warnings: no error has them for its code.
# Where the sentences begin that are said of jobs, and which of them are the words of a page.
_FIRST_OF_JOBS = "in_english"
_OF_PAGE = ("report_", "figure_")
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
    codes = list(SENTENCES[Language.ENGLISH])
    refusals = codes[: codes.index(_FIRST_OF_JOBS)]
    return _sentences_table([code for code in refusals if code not in _NO_ERRORS])


def _job_sentences_table() -> str:
    codes = list(SENTENCES[Language.ENGLISH])
    of_jobs = codes[codes.index(_FIRST_OF_JOBS) :]
    return _sentences_table([code for code in of_jobs if not code.startswith(_OF_PAGE)])


def _sentences_table(codes: Iterable[str]) -> str:
    english, chinese = (SENTENCES[language] for language in Language)
    rows = [[f"`{code}`", _shown(english[code]), _shown(chinese[code])] for code in codes]
    return _table(["code", "English", "繁體中文"], rows)


def _shown(sentence: str) -> str:
    """Its values by their names; `<` begins no markup."""
    values = {name: f"{{{name}}}" for _, name, _, _ in Formatter().parse(sentence) if name}
    plain = _FORMAT.sub("}", sentence)
    return plain.format(**values).replace("<", "&lt;")


def _pages_table(*registries: CollectorRegistry, prefix: str = "") -> str:
    """The metrics of `registries` whose names begin with `prefix`."""
    rows = [row for registry in registries for row in _metric_rows(registry)]
    chosen = [row for row in rows if row[0].startswith(f"`{prefix}")]
    return _table(["metric", "type", "labels", "what it is"], chosen)


def _metric_rows(registry: CollectorRegistry) -> Iterator[Row]:
    # Whose labels are not known until there are figures says them nowhere else.
    for metric in registry._collector_to_names:
        if isinstance(metric, ProcessCollector):
            continue
        labels = metric.labels if isinstance(metric, Readings) else metric._labelnames
        [family] = metric.describe()
        name = f"{family.name}_total" if family.type == "counter" else family.name
        listed = ", ".join(f"`{label}`" for label in labels)
        yield [f"`{name}`", family.type, listed, family.documentation]


def _service_registries() -> dict[str, CollectorRegistry]:
    """Of each service, none of which runs: what is read off its state isn't."""
    learner, gateway = LearnerMetrics(Path()), GatewayMetrics(Path())
    learner.read_jobs(dict)
    gateway.read_streams(int)
    nothing: Any = None
    return {
        "gateway": gateway.registry,
        "learner": learner.registry,
        "reward": RewardMetrics().registry,
        "rollout": RolloutMetrics(nothing, nothing, nothing).registry,
    }


def _own_metrics(service: str) -> str:
    return _pages_table(_service_registries()[service], prefix=f"tally_{service}_")


def _shared_metrics() -> str:
    calls, of_some = CollectorRegistry(), CollectorRegistry()
    CallMetrics(calls, [])
    for reading in (*gpu_memory(), free_space(Path())):
        of_some.register(reading)
    return _pages_table(new_registry(), of_some, calls)


def _cards_table() -> str:
    rows = card_rows(documented="as documented", larger="larger")
    return _table(["settings", "inside, GiB", "card", "with a replica, GiB", "card"], rows)


def _cards_table_in_chinese() -> str:
    rows = card_rows(documented="文件中的設定", larger="更大")
    return _table(["設定", "直接取樣，GiB", "顯示卡", "另有生成服務，GiB", "顯示卡"], rows)


def _licence_table(header: Row, research_only: str) -> str:
    """Of the family that the tutorial is about."""
    rows = [
        [
            f"`{model}`",
            f"[{licence.title}]({licence.link})",
            research_only if licence.is_for_research_only else "",
        ]
        for model, licence in QWEN2_5_VL.licences.items()
    ]
    return _table(header, rows)


def _held_out_table() -> str:
    header = ["photos", "held out", "80% of these right is, with a confidence of 95%"]
    return _table(header, held_out_rows())


def _held_out_table_in_chinese() -> str:
    return _table(["照片", "保留", "其中 80% 答對時，95% 信賴區間"], held_out_rows())


TABLES: dict[str, Callable[[], str]] = {
    "train_request": lambda: _settings_table(TrainRequest, "field"),
    "training_config": lambda: _settings_table(TrainingConfig, "`training_config`"),
    "lora_config": lambda: _settings_table(LoraConfig, "`lora_config`"),
    "prompt_template": lambda: _settings_table(PromptTemplate, "`prompt`"),
    "metrics": _metrics_table,
    "endpoints": _endpoints_table,
    "error_codes": _error_codes_table,
    "job_sentences": _job_sentences_table,
    "gateway_settings": lambda: _service_table(GatewaySettings),
    "learner_settings": lambda: _service_table(LearnerSettings),
    "host_settings": lambda: _service_table(HostSettings),
    "rollout_settings": lambda: _service_table(RolloutSettings),
    "reward_settings": lambda: _service_table(RewardSettings),
    "shared_metrics": _shared_metrics,
    "gateway_metrics": lambda: _own_metrics("gateway"),
    "learner_metrics": lambda: _own_metrics("learner"),
    "rollout_metrics": lambda: _own_metrics("rollout"),
    "cards": _cards_table,
    "cards_in_chinese": _cards_table_in_chinese,
    "licences": lambda: _licence_table(["model", "licence", ""], "**research only**"),
    "licences_in_chinese": lambda: _licence_table(["模型", "授權", ""], "**僅供研究**"),
    "held_out": _held_out_table,
    "held_out_in_chinese": _held_out_table_in_chinese,
    "reward_metrics": lambda: _own_metrics("reward"),
}


def with_tables(text: str) -> str:
    """The document with its tables as they are today; raises KeyError for an unknown one."""
    return _REGION.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}{found[3]}", text)


def stale_documents() -> dict[Path, str]:
    """As they should read."""
    documents = {path: path.read_text() for path in sorted(DOCS.rglob("*.md"))}
    today = {path: with_tables(text) for path, text in documents.items()}
    documents[ANSWERS] = ANSWERS.read_text() if ANSWERS.exists() else ""
    today[ANSWERS] = answers_module()
    return {path: text for path, text in today.items() if text != documents[path]}


def main() -> None:
    stale = stale_documents()
    if sys.argv[1:] == ["write"]:
        for path, text in stale.items():
            path.write_text(text)
    elif stale:
        sys.exit(f"stale, run `make docs`: {', '.join(path.name for path in stale)}")


if __name__ == "__main__":
    main()
