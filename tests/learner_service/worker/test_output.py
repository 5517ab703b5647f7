"""The output folder of each family: documented files, a card, what AutoProcessor asks for."""

from pathlib import Path

from PIL import Image
from transformers import AutoProcessor, TrainerState

from learner_service.job_folder.output_files import DOCUMENTED_FILES
from learner_service.policy.policy import Policy
from learner_service.spec import JobSpec, Training
from learner_service.worker.output import write_output
from tally.families.grid import PaddedGrid
from tally.job.settings import TrainingConfig

SPEC = JobSpec(job_name="apples", dataset_digest="d" * 64, base_model="small")


def write(folder: Path, policy: Policy) -> None:
    training = Training(config=TrainingConfig(use_4bit=False))
    state = TrainerState(log_history=[])
    write_output(folder, policy, spec=SPEC, training=training, state=state, comparison=None)


def test_the_documented_files_are_there_with_what_is_added(small_policy: Policy, tmp_path: Path):
    write(tmp_path / "output", small_policy)
    found = {path.name for path in (tmp_path / "output").iterdir()}
    assert found >= set(DOCUMENTED_FILES)
    assert found - set(DOCUMENTED_FILES) == {
        "README.md",
        "chat_template.jinja",
        "processor_config.json",
    }


def test_a_processor_is_made_of_the_folder_alone(small_policy: Policy, tmp_path: Path):
    write(tmp_path / "output", small_policy)
    processor = AutoProcessor.from_pretrained(tmp_path / "output")
    picture = Image.new("RGB", small_policy.image_grid.fit(112, 112, 112), "white")
    question = [{"type": "image"}, {"type": "text", "text": "How many apples?"}]
    turns = [{"role": "user", "content": question}]
    text = processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    assert text == small_policy.tokenizer.apply_chat_template(
        turns, add_generation_prompt=True, tokenize=False
    )
    # As the card's snippet says: a padded square is asked for by its side.
    sizes = {"max_image_size": 490} if isinstance(small_policy.image_grid, PaddedGrid) else {}
    inputs = processor(text=[text], images=[picture], return_tensors="pt", **sizes)
    places = int((inputs["input_ids"] == small_policy.image_token_id).sum())
    assert places == small_policy.image_grid.tokens(*picture.size)


def test_the_bases_own_files_of_its_processor_are_taken(policy: Policy, tmp_path: Path):
    base = tmp_path / "base"
    base.mkdir()
    (base / "processor_config.json").write_text('{"processor_class": "Qwen2VLProcessor"}')
    (base / "video_preprocessor_config.json").write_text("{}")
    policy.base.name_or_path = str(base)
    write(tmp_path / "output", policy)
    for name in ("processor_config.json", "video_preprocessor_config.json"):
        assert (tmp_path / "output" / name).read_bytes() == (base / name).read_bytes()
