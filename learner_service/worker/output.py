"""The documented output folder."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerState

from learner_service.job_folder.output_files import CARD, OUTPUT_FILES, STATE
from learner_service.model_card.card import TrainedAdapter, render
from learner_service.policy.policy import Policy
from learner_service.spec import JobSpec, Training
from learner_service.worker.processor_files import write_processor_files
from tally.job.comparison import Comparison


def write_output(
    folder: Path,
    policy: Policy,
    *,
    spec: JobSpec,
    training: Training,
    state: TrainerState,
    comparison: Comparison | None,
) -> None:
    """Writes the documented files, a card, and what AutoProcessor asks for, into `folder`, which is
    made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    policy.model.save_pretrained(str(folder))
    state.save_to_json(str(folder / STATE))
    about: dict[str, Any] = {"spec": spec, "training": training, "comparison": comparison}
    complete_output(folder, policy, **about, history=state.log_history)
    for path in folder.iterdir():
        if path.name not in OUTPUT_FILES:
            path.unlink()


def complete_output(
    folder: Path,
    policy: Policy,
    *,
    spec: JobSpec,
    training: Training,
    history: Sequence[Mapping[str, Any]],
    comparison: Comparison | None = None,
) -> None:
    """Adds what a checkpoint of transformers lacks of OUTPUT_FILES, and names the base model."""
    policy.tokenizer.save_pretrained(folder, save_jinja_files=False)
    policy.image_processor.save_pretrained(folder)
    write_processor_files(folder, policy)
    (folder / "training_args.json").write_text(json.dumps(_training_args(spec, training), indent=2))
    _name_base_model(folder / "adapter_config.json", spec.base_model)
    trained = TrainedAdapter(
        spec=spec,
        training=training,
        family=policy.family,
        grid=policy.image_grid,
        history=history,
        comparison=comparison,
    )
    (folder / CARD).write_text(render(trained))


def _training_args(spec: JobSpec, training: Training) -> dict[str, object]:
    return {
        "job_name": spec.job_name,
        "base_model": spec.base_model,
        "dataset_digest": spec.dataset_digest,
        "training_config": training.config.model_dump(mode="json"),
        "lora_config": training.lora.model_dump(mode="json"),
        "rewards": [reward.model_dump() for reward in training.summed_rewards],
        "prompt": training.prompt.model_dump(),
    }


def _name_base_model(path: Path, base_model: str) -> None:
    """PEFT writes where the base model was loaded from; others need what it is called."""
    config = json.loads(path.read_text())
    config["base_model_name_or_path"] = base_model
    path.write_text(json.dumps(config, indent=2, sort_keys=True))
