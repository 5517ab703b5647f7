"""A preflight of learner.v1 as POST /train?dry_run=true answers it."""

from typing import Any

from gateway.convert import fields_of
from tally.job.settings import LoraConfig, Settings, TrainingConfig
from tally.learner.v1 import learner_pb2 as pb
from tally.messages.convert import said_message
from tally.messages.languages import Language

_SEVERITIES = {pb.SEVERITY_ERROR: "error", pb.SEVERITY_WARNING: "warning"}
_BODY_FIELDS = {
    "train.config": "training_config",
    "train.lora": "lora_config",
    "train.prompt": "prompt",
    "train.evaluation_share": "evaluation_share",
    "train.adapter_digest": "adapter_job_id",
    "dataset_digest": "data_file_id",
}
_GROUPS: dict[str, type[Settings]] = {"train.config": TrainingConfig, "train.lora": LoraConfig}


def to_preflight(response: pb.PreflightResponse, language: Language) -> dict[str, Any]:
    """As the models of gateway.jobs.preflight_models have it, said in `language`."""
    findings = [_finding(finding, language) for finding in response.findings]
    base = None
    if response.HasField("base"):
        base = fields_of(response.base) | fields_of(response.base.scores)
    return {
        "ok": all(finding["severity"] != "error" for finding in findings),
        "findings": findings,
        "data": {
            **fields_of(response.data),
            "counts": [fields_of(count) for count in response.data.counts],
            "kinds": [fields_of(kind) for kind in response.data.kinds],
        },
        "base": base,
        "steps": fields_of(response.steps),
        "prompt_example": response.prompt_example,
        "memory": _memory_estimate(response.memory),
        "replica_memory": _memory_estimate(response.replica_memory)
        if response.HasField("replica_memory")
        else None,
        "time": _time_estimate(response.time, language) if response.HasField("time") else None,
    }


def _memory_estimate(memory: pb.MemoryEstimate) -> dict[str, Any]:
    parts = ("libraries", "weights", "adapter", "caches", "activations")
    return fields_of(memory) | {"parts": {part: getattr(memory, f"{part}_bytes") for part in parts}}


def _time_estimate(time: pb.TimeEstimate, language: Language) -> dict[str, Any]:
    basis = said_message(time.said_basis, time.basis).say(language)
    return {"seconds": time.seconds, "seconds_per_step": time.seconds_per_step, "basis": basis}


def _finding(finding: pb.Finding, language: Language) -> dict[str, Any]:
    message = said_message(finding.said, finding.message)
    suggestion: dict[str, Any] = {}
    for path, value in finding.suggestion.items():
        section, _, name = path.rpartition(".")
        typed = _GROUPS[section].model_fields[name].annotation
        suggestion.setdefault(_BODY_FIELDS[section], {})[name] = typed and typed(value)
    return {
        "severity": _SEVERITIES.get(finding.severity, "note"),
        "code": finding.code,
        "where": _body_field(finding.where),
        "message": message.say(language),
        "parameters": message.parameters,
        "suggestion": suggestion or None,
    }


def _body_field(where: str) -> str:
    """The field of POST /train that a field of the spec was made from."""
    section, dot, name = where.rpartition(".")
    return _BODY_FIELDS.get(where) or _BODY_FIELDS.get(section, section) + dot + name
