"""A family more is one file more: `made_up.py` is trained and sampled with nothing else changed."""

import asyncio
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoTokenizer

from bench.exactness import draw_groups, lora_gradients, packed_logps
from learner_service.blobs.blob_store import BlobStore
from learner_service.policy.adapters import AdapterPublisher
from learner_service.policy.policy import Policy, PolicySettings
from rollout_service.settings import RolloutSettings
from rollout_service.torch_replica import torch_engine
from tally.families.family import UnsupportedModel
from tally.families.registry import FAMILIES, family_of
from tally.job.settings import LoraConfig
from tally.sampling.engine import Completion, GenerationRequest, LocalBlob
from tests.rollout_service.support import local_blob, png
from tests.tally.families.made_up import MadeUp, register, save_as_made_up


@pytest.fixture(scope="module")
def made_up_path(random_policy_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    register()
    path = tmp_path_factory.mktemp("made_up")
    save_as_made_up(random_policy_path, path)
    return path


@pytest.fixture(autouse=True)
def _known_family(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, MadeUp.model_type, MadeUp())


def load(path: Path) -> Policy:
    """The policy in `path` with an adapter that matters."""
    settings = PolicySettings(
        source=str(path),
        device="cpu",
        dtype=torch.float32,
        use_4bit=False,
        seed=3,
        feature_cache_bytes=10**8,
    )
    policy = Policy(settings, LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0))
    torch.manual_seed(5)
    for name, parameter in policy.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return policy


def published(policy: Policy, folder: Path) -> LocalBlob:
    store = BlobStore(folder / "blobs")
    digest = AdapterPublisher(store).publish(policy.model)
    return LocalBlob(digest=digest, path=store.path(digest))


async def sampled(path: Path, adapter: LocalBlob, folder: Path) -> list[Completion]:
    """Greedily and at a temperature, of a prompt with an image."""
    engine = torch_engine(RolloutSettings(model=str(path), torch_threads=1))
    placeholder = (await engine.load()).image_token_id
    answers = [
        await engine.generate(
            GenerationRequest(
                prompt_token_ids=(5, *[placeholder] * 16, 7, 8),
                num_completions=3,
                temperature=temperature,
                max_new_tokens=12,
                seed=1,
                image=local_blob(folder, png()),
                adapter=adapter,
            )
        )
        for temperature in (0.0, 1.0)
    ]
    await engine.close()
    return [completion for answer in answers for completion in answer]


def test_it_packs_and_learns_as_the_family_whose_weights_it_has(made_up_path, random_policy_path):
    logps, gradients = [], []
    for path in (made_up_path, random_policy_path):
        policy = load(path)
        logps.append(packed_logps(policy, *draw_groups(policy)))
        gradients.append(lora_gradients(policy.model, logps[-1]))
    torch.testing.assert_close(*logps, rtol=0, atol=1e-5)
    torch.testing.assert_close(*gradients)


def test_it_samples_as_the_family_whose_weights_it_has(made_up_path, random_policy_path, tmp_path):
    answers = []
    for path in (made_up_path, random_policy_path):
        adapter = published(load(path), tmp_path / path.name)
        answers.append(asyncio.run(sampled(path, adapter, tmp_path)))
    for made_up, qwen in zip(*answers, strict=True):
        assert made_up.token_ids == qwen.token_ids
        assert made_up.log_probabilities == pytest.approx(qwen.log_probabilities, abs=1e-5)


def test_its_placeholder_and_its_layers_have_its_own_names(made_up_path):
    policy = load(made_up_path)
    placeholder = AutoTokenizer.from_pretrained(made_up_path).convert_tokens_to_ids(
        MadeUp.image_token
    )
    assert policy.image_token_id == placeholder
    adapted = {
        name.split(".lora_")[0] for name, _ in policy.model.named_parameters() if "lora" in name
    }
    assert {name.rpartition(".")[2] for name in adapted} == set(MadeUp.projections.names)


def test_its_size_is_known(made_up_path, random_policy_path):
    made_up, qwen = map(AutoConfig.from_pretrained, (made_up_path, random_policy_path))
    assert family_of(made_up).shape(made_up) == family_of(qwen).shape(qwen)


def test_it_is_refused_where_it_is_not_registered(made_up_path, monkeypatch):
    monkeypatch.delitem(FAMILIES, MadeUp.model_type)
    config = AutoConfig.from_pretrained(made_up_path)
    with pytest.raises(UnsupportedModel, match="made_up_vl is not supported; expected qwen2_5_vl"):
        family_of(config)
