"""A conversation: what is answered, that nothing of its image stays, and what is none."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from learner_service.blobs.blob_store import BlobStore
from learner_service.data.turns import Role, Turn
from learner_service.dataset_settings import DatasetSettings
from learner_service.models import ModelList
from learner_service.prediction.chat import Chat
from learner_service.prediction.conversation import Conversation
from learner_service.prediction.staged_image import ImageStage
from learner_service.served_models import ServedModels
from learner_service.settings import LearnerSettings
from tally.job.prompt_template import PromptTemplate
from tally.rpc.errors import InvalidArgument
from tests.fakes.worker_services import NotingRollouts, WorkerServices
from tests.learner_service.data.test_dataset import encoded

PICTURE = encoded(Image.new("RGB", (90, 60), "red"), "JPEG")
HELLO = Turn(role=Role.USER, text="How many apples?")
SHOWN = Turn(role=Role.USER, text="How many apples?", has_image=True)
SYSTEM = Turn(role=Role.SYSTEM, text="Count.")
ANSWER = Turn(role=Role.ASSISTANT, text="3 apples")


def conversation(*turns: Turn, **changed) -> Conversation:
    fields = {
        "base_model": "model",
        "adapter_digest": "",
        "turns": turns,
        "image": PICTURE if any(turn.has_image for turn in turns) else b"",
        "temperature": 0.0,
        "seed": 1,
        "max_image_size": 112,
        "max_new_tokens": 8,
    }
    return Conversation(**fields | changed)


@pytest.fixture
def chat(services: WorkerServices, store: BlobStore, random_policy_path: Path) -> Chat:
    settings = LearnerSettings(rollout=services.rollout, reward=services.reward)
    models = ServedModels(settings, ModelList([str(random_policy_path)]))
    return Chat(models, ImageStage(store, DatasetSettings()))


async def test_an_image_is_there_while_it_is_asked_about(
    chat: Chat, store: BlobStore, rollouts: NotingRollouts, random_policy_path: Path
):
    asked = conversation(SYSTEM, SHOWN, ANSWER, HELLO, base_model=random_policy_path.name)
    reply = await chat.reply(asked)
    assert (reply.text, reply.is_cut) == ("A photo of 3 apples", False)
    assert 0 < reply.answer_tokens < reply.prompt_tokens
    [digest] = rollouts.images["base"]
    assert store.size_bytes(digest) is None


async def test_a_conversation_needs_no_image(
    chat: Chat, rollouts: NotingRollouts, random_policy_path: Path
):
    asked = conversation(HELLO, base_model=random_policy_path.name, adapter_digest="a" * 64)
    assert (await chat.reply(asked)).text == "A photo of 3 apples"
    assert rollouts.images["adapter"] == {""}


async def test_a_job_is_asked_as_it_was_trained(
    chat: Chat, rollouts: NotingRollouts, random_policy_path: Path
):
    template = PromptTemplate(system_prompt="Count.", question_template="{question} Now.")
    name = random_policy_path.name
    await chat.reply(conversation(SHOWN, base_model=name, prompt=template))
    spelt = [replace(SHOWN, text="How many apples? Now."), SYSTEM]
    await chat.reply(conversation(*reversed(spelt), base_model=name))
    assert len(rollouts.prompts) == 1


async def test_what_is_no_picture_is_refused(chat: Chat, random_policy_path: Path):
    asked = conversation(SHOWN, base_model=random_policy_path.name, image=b"<svg/>")
    with pytest.raises(InvalidArgument, match="image"):
        await chat.reply(asked)


@pytest.mark.parametrize(
    ("turns", "changed", "said"),
    [
        ((), {}, "1 to 100"),
        ((HELLO,) * 101, {}, "1 to 100"),
        ((HELLO, ANSWER), {}, "the last of them a user's"),
        ((HELLO, SYSTEM, HELLO), {}, "only the first"),
        ((Turn(role=Role.USER, text=" "),), {}, "a text in each"),
        ((Turn(role=Role.USER, text="x" * 100_001),), {}, "at most 100,000 characters"),
        ((SHOWN, SHOWN), {}, "one with one message"),
        ((SHOWN,), {"image": b""}, "one with one message"),
        ((HELLO,), {"image": PICTURE}, "one with one message"),
        (
            (Turn(role=Role.SYSTEM, text="x", has_image=True), HELLO),
            {},
            "one with one message of a user",
        ),
        ((SHOWN,), {"image": bytes(16 * 1024**2 + 1)}, "16 MiB"),
    ],
)
def test_what_is_no_conversation_is_refused(turns: tuple[Turn, ...], changed: dict, said: str):
    with pytest.raises(InvalidArgument, match=said):
        conversation(*turns, **changed)
