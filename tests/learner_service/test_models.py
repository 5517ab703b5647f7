"""A model is refused by its config.json, before anything else of it is loaded."""

from pathlib import Path

import pytest
import torch

from learner_service.data.prompts import Prompter
from learner_service.errors import UnknownModel
from learner_service.models import ModelList
from learner_service.policy.policy import Policy, PolicySettings
from tally.job.settings import LoraConfig

REFUSAL = "type unheard_of is not supported; expected qwen2_5_vl or "


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "config.json").write_text('{"model_type": "unheard_of"}')
    return str(tmp_path)


def test_the_list_of_models_is_checked(path: str):
    with pytest.raises(UnknownModel, match=REFUSAL):
        ModelList([path]).check()


def test_a_model_that_is_not_on_this_machine_yet_is_not_asked_for():
    ModelList(["some/model"]).check()


def test_no_prompt_is_made_for_it(path: str):
    with pytest.raises(UnknownModel, match=REFUSAL):
        Prompter.of_model(path)


def test_no_policy_is_loaded(path: str):
    settings = PolicySettings(
        source=path,
        device="cpu",
        dtype=torch.float32,
        use_4bit=False,
        seed=1,
        feature_cache_bytes=0,
    )
    with pytest.raises(UnknownModel, match=REFUSAL):
        Policy(settings, LoraConfig())
