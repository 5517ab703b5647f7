"""One question to both: what is answered, and that nothing of it stays."""

from pathlib import Path

import pytest
from PIL import Image

from learner_service.blobs.blob_store import BlobStore
from learner_service.dataset_settings import DatasetSettings
from learner_service.job_folder.published_adapters import PublishedAdapters
from learner_service.models import ModelList
from learner_service.prediction.predictor import Predictor
from learner_service.prediction.question import Question, last_adapter
from learner_service.prediction.staged_image import ImageStage
from learner_service.served_models import ServedModels
from learner_service.settings import LearnerSettings
from learner_service.tokenizers import load_tokenizer
from tally.job.prompt_template import PromptTemplate
from tally.rpc.errors import FailedPrecondition, InvalidArgument
from tests.fakes.worker_services import NotingRollouts, WorkerServices
from tests.learner_service.data.test_dataset import encoded

PICTURE = encoded(Image.new("RGB", (90, 60), "red"), "JPEG")


@pytest.fixture
def predictor(services: WorkerServices, store: BlobStore, random_policy_path: Path) -> Predictor:
    settings = LearnerSettings(rollout=services.rollout, reward=services.reward)
    models = ServedModels(settings, ModelList([str(random_policy_path)]))
    return Predictor(models, ImageStage(store, DatasetSettings()))


def question(path: Path, **changed) -> Question:
    fields = {
        "base_model": path.name,
        "adapter_digest": "",
        "image": PICTURE,
        "text": "How many apples?",
        "max_image_size": 112,
        "max_new_tokens": 8,
    }
    return Question(**fields | changed)


async def test_both_answer_and_the_picture_is_gone(
    predictor: Predictor, store: BlobStore, rollouts: NotingRollouts, random_policy_path: Path
):
    asked = question(random_policy_path, adapter_digest="a" * 64)
    base, adapter = await predictor.answer(asked)
    assert (base.text, base.count, adapter.count) == ("A photo of 3 apples", 3, 3)
    (digest,) = rollouts.images["base"] & rollouts.images["adapter"]
    assert store.size_bytes(digest) is None


async def test_both_are_asked_as_the_job_asks(
    predictor: Predictor, rollouts: NotingRollouts, random_policy_path: Path
):
    await predictor.answer(question(random_policy_path))
    [plain] = rollouts.prompts
    rollouts.prompts.clear()
    template = PromptTemplate(system_prompt="Count.", question_template="{question} Now.")
    asked = question(random_policy_path, adapter_digest="a" * 64, prompt=template)
    await predictor.answer(asked)
    [prompt] = rollouts.prompts
    text = load_tokenizer(str(random_policy_path)).decode(prompt)
    assert text.index("Count.") < text.index("How many apples? Now.")
    assert prompt != plain


async def test_a_picture_that_a_job_staged_stays(
    predictor: Predictor, store: BlobStore, rollouts: NotingRollouts, random_policy_path: Path
):
    from learner_service.data.images import to_png

    staged = store.put_bytes(to_png(Image.new("RGB", (112, 84), "red")))
    picture = encoded(Image.new("RGB", (112, 84), "red"))
    await predictor.answer(question(random_policy_path, image=picture))
    assert staged not in rollouts.images["base"]
    assert store.size_bytes(staged)


async def test_what_is_no_picture_is_refused(predictor: Predictor, random_policy_path: Path):
    with pytest.raises(InvalidArgument, match="image"):
        await predictor.answer(question(random_policy_path, image=b"<svg/>"))


@pytest.mark.parametrize("changed", [{"image": b""}, {"text": " "}, {"text": "x" * 4001}])
def test_a_bad_question_is_refused(changed: dict, tmp_path: Path):
    with pytest.raises(InvalidArgument):
        question(tmp_path, **changed)


def test_the_last_adapter_is_the_one_that_answers(tmp_path: Path):
    published = PublishedAdapters(tmp_path / "published.txt")
    with pytest.raises(FailedPrecondition, match="no adapter yet"):
        last_adapter(published)
    for digest in ("b", "a", "b"):
        published.add(digest)
    assert last_adapter(published) == "b"
