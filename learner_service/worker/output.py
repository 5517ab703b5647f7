"""The documented output folder, and its ZIP."""

import json
import shutil
import zipfile
from pathlib import Path

from transformers import TrainerState

from learner_service.blobs.blob_store import BlobStore
from learner_service.policy.policy import Policy
from learner_service.spec import JobSpec, Training

OUTPUT_FILES = (
    "adapter_config.json",
    "adapter_model.safetensors",
    "training_args.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "preprocessor_config.json",
    "trainer_state.json",
)


def write_output(
    folder: Path, policy: Policy, spec: JobSpec, training: Training, state: TrainerState
) -> None:
    """Writes exactly OUTPUT_FILES into `folder`, which is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    policy.model.save_pretrained(str(folder))
    policy.tokenizer.save_pretrained(folder, save_jinja_files=False)
    policy.image_processor.save_pretrained(folder)
    state.save_to_json(str(folder / "trainer_state.json"))
    (folder / "training_args.json").write_text(json.dumps(_training_args(spec, training), indent=2))
    _name_base_model(folder / "adapter_config.json", spec.base_model)
    for path in folder.iterdir():
        if path.name not in OUTPUT_FILES:
            path.unlink()


def store_output(folder: Path, archive: Path, store: BlobStore, job_id: str) -> str:
    """Puts the ZIP of the folder into the store; returns its digest. `archive` is its place."""
    _zip(folder, archive)
    digest = store.put_file(archive, job_id)
    archive.unlink()
    return digest


def _zip(folder: Path, path: Path) -> None:
    """The weights are random to a compressor, so everything is stored as it is."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)


def _training_args(spec: JobSpec, training: Training) -> dict[str, object]:
    return {
        "job_name": spec.job_name,
        "base_model": spec.base_model,
        "dataset_digest": spec.dataset_digest,
        "training_config": training.config.model_dump(mode="json"),
        "lora_config": training.lora.model_dump(mode="json"),
        "rewards": [reward.model_dump() for reward in training.rewards]
        or [{"name": "progressive_count", "weight": 1.0}],
    }


def _name_base_model(path: Path, base_model: str) -> None:
    """PEFT writes where the base model was loaded from; others need what it is called."""
    config = json.loads(path.read_text())
    config["base_model_name_or_path"] = base_model
    path.write_text(json.dumps(config, indent=2, sort_keys=True))
