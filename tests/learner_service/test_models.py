"""A model is refused by its config.json, before anything else of it is loaded."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from learner_service.data.prompts import Prompter
from learner_service.errors import UnknownModel
from learner_service.models import ModelList
from learner_service.policy.policy import Policy, PolicySettings
from tally.job.settings import LoraConfig
from tests.fakes.model_with_code import add_code

REFUSAL = "type unheard_of is not supported; expected qwen2_5_vl or "


def policy_settings(source: str) -> PolicySettings:
    return PolicySettings(
        source=source,
        device="cpu",
        dtype=torch.float32,
        use_4bit=False,
        seed=1,
        feature_cache_bytes=0,
    )


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "config.json").write_text('{"model_type": "unheard_of"}')
    return str(tmp_path)


def test_the_list_of_models_is_checked(path: str):
    with pytest.raises(UnknownModel, match=REFUSAL):
        ModelList([path]).check()


def test_weights_that_are_a_pickle_are_refused(random_policy_path: Path, tmp_path: Path):
    path = tmp_path / "pickled"
    shutil.copytree(random_policy_path, path)
    [weights] = path.glob("*.safetensors")
    weights.rename(path / "pytorch_model.bin")
    refusal = r"the weights of pickled are a pickle \(pytorch_model.bin\), .* as safetensors"
    with pytest.raises(UnknownModel, match=refusal):
        ModelList([str(path)]).check()
    with pytest.raises(UnknownModel, match=refusal):
        Policy(policy_settings(str(path)), LoraConfig())


def test_a_pickle_beside_safetensors_is_never_read(random_policy_path: Path, tmp_path: Path):
    path = tmp_path / "both"
    shutil.copytree(random_policy_path, path)
    (path / "pytorch_model.bin").write_bytes(b"no pickle at all")
    ModelList([str(path)]).check()
    Policy(policy_settings(str(path)), LoraConfig())


def test_a_model_that_is_not_on_this_machine_yet_is_not_asked_for():
    ModelList(["some/model"]).check()


def test_no_prompt_is_made_for_it(path: str):
    with pytest.raises(UnknownModel, match=REFUSAL):
        Prompter.of_model(path)


def test_no_policy_is_loaded(path: str):
    with pytest.raises(UnknownModel, match=REFUSAL):
        Policy(policy_settings(path), LoraConfig())


def test_code_of_a_models_own_is_never_run(random_policy_path: Path, tmp_path: Path):
    path = tmp_path / "own"
    mark = add_code(random_policy_path, path)
    ModelList([str(path)]).check()
    Prompter.of_model(str(path))
    Policy(policy_settings(str(path)), LoraConfig())
    assert not mark.exists()


def test_a_model_in_a_folder_is_described_by_its_files(random_policy_path: Path):
    [model] = ModelList([str(random_policy_path)]).describe()
    assert (model.name, model.family) == (random_policy_path.name, "qwen2_5_vl")
    loaded = Policy(policy_settings(str(random_policy_path)), LoraConfig(r=2))
    tied = {p.data_ptr(): p.numel() for p in loaded.base.parameters()}
    adapter = sum(p.numel() for p in loaded.model.parameters() if p.requires_grad)
    assert model.parameters == sum(tied.values()) - adapter
    assert model.licence is None


def test_a_hub_name_that_is_not_here_is_described_by_its_name(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    models = ModelList(["Qwen/Qwen2.5-VL-3B-Instruct", "somebody/else"]).describe()
    assert [model.family for model in models] == ["qwen2_5_vl", None]
    assert models[0].licence.is_for_research_only
    assert models[1].licence is None
    assert [model.parameters for model in models] == [None, None]


def test_half_a_model_has_no_number_of_parameters(random_policy_path: Path, tmp_path: Path):
    folder = shutil.copytree(random_policy_path, tmp_path / "half")
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    [model] = ModelList([str(folder)]).describe()
    assert (model.family, model.parameters) == ("qwen2_5_vl", None)
