"""What a job was asked for, as the JobSpec of learner.v1."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tally.job.settings import DEFAULT_PRIORITY
from tally.learner.v1 import learner_pb2 as pb

_LIMITS = ("max_image_size", "max_new_tokens")


class Blobs(NamedTuple):
    """What a job needs, by digests; the adapter is what it compares, or begins with."""

    dataset: str
    evaluation: str | None = None
    adapter: str | None = None


def to_spec(
    settings: Mapping[str, Any], blobs: Blobs, owner: str = "", kind: str = "training"
) -> pb.JobSpec:
    """The job of a validated POST /train; `settings` is TrainRequest.settings().

    One whose `kind` is prediction asks the adapter, or the base model; an evaluation compares the
    two. Either is under those of the settings that matter then.
    """
    spec = pb.JobSpec(
        job_name=settings["job_name"],
        dataset_digest=blobs.dataset,
        base_model=settings["model"] or "",
        owner=owner,
        priority=settings.get("priority", DEFAULT_PRIORITY),
    )
    config, prompt = settings["training_config"], _prompt(settings)
    limits = {name: config[name] for name in _LIMITS}
    asking: dict[str, Any] = {"adapter_digest": blobs.adapter or "", "prompt": prompt, **limits}
    if kind == "prediction":
        spec.predict.CopyFrom(pb.Prediction(**asking))
    elif kind == "evaluation":
        spec.evaluate.CopyFrom(pb.Evaluation(**asking, seed=config["seed"]))
    else:
        spec.train.CopyFrom(_training(settings, blobs))
    return spec


def _training(settings: Mapping[str, Any], blobs: Blobs) -> pb.Training:
    config = {name: _field(name, value) for name, value in settings["training_config"].items()}
    return pb.Training(
        config=pb.TrainingConfig(**config),
        lora=pb.LoraConfig(**settings["lora_config"]),
        rewards=[pb.RewardWeight(**reward) for reward in settings["rewards"]],
        prompt=_prompt(settings),
        evaluation_dataset_digest=blobs.evaluation or "",
        evaluation_share=settings.get("evaluation_share"),
        resume_from_job_id=settings.get("resume_from_job_id") or "",
        fresh=bool(settings.get("fresh")),
        adapter_digest=blobs.adapter or "",
        adapter_job_id=settings.get("adapter_job_id") or "",
    )


def _prompt(settings: Mapping[str, Any]) -> pb.PromptTemplate:
    """That of a job that was written down before there were any is unset: the plain one."""
    return pb.PromptTemplate(**settings.get("prompt", {}))


def _field(name: str, value: Any) -> Any:
    """A choice by its number: LOSS_TYPE_DAPO for the loss_type `dapo`."""
    enum = pb.TrainingConfig.DESCRIPTOR.fields_by_name[name].enum_type
    return enum.values_by_name[f"{name}_{value}".upper()].number if enum else value
