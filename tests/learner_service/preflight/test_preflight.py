"""A preflight with the services of a worker: what it finds, and that it answers without them."""

from pathlib import Path

import pytest
from PIL import Image

from learner_service.blobs.blob_store import BlobStore
from learner_service.models import ModelList
from learner_service.preflight.findings import Severity
from learner_service.preflight.preflight import Preflight, Preflights
from learner_service.served_models import ServedModels
from learner_service.settings import LearnerSettings
from learner_service.spec import JobSpec, Training
from tally.job.settings import LoraConfig, TrainingConfig
from tally.rpc.settings import ClientSettings
from tally.samples.small_models import save_small_model
from tests.fakes.worker_services import NotingRollouts, WorkerServices
from tests.learner_service.data.test_dataset import encoded, line, write_zip

ROWS = 60


@pytest.fixture
def dataset_digest(tmp_path: Path, store: BlobStore) -> str:
    images = {f"{n}.png": encoded(Image.new("RGB", (56, 56), (n, 9, 9))) for n in range(ROWS)}
    lines = [line(name, row=2 + n, true_count=1 + n % 6) for n, name in enumerate(images)]
    return store.put_bytes(write_zip(tmp_path / "data.zip", images, lines).read_bytes())


@pytest.fixture
def preflight(store: BlobStore, dataset_digest: str, random_policy_path: Path):
    async def run(rollout: ClientSettings, reward: ClientSettings, **config: object) -> Preflight:
        settings = LearnerSettings(rollout=rollout, reward=reward, device="cpu", dtype="float32")
        models = ServedModels(settings, ModelList([str(random_policy_path)]))
        training = Training(
            config=TrainingConfig(
                **{"num_generations": 2, "max_image_size": 112, "use_4bit": False} | config
            ),
            lora=LoraConfig(r=2),
        )
        spec = JobSpec(
            dataset_digest=dataset_digest, base_model=random_policy_path.name, work=training
        )
        preflights = Preflights(models, store, settings)
        return await preflights.run(spec, training, str(random_policy_path), [])

    return run


async def test_where_a_job_samples_inside_there_is_one_copy_and_one_estimate(
    preflight, services: WorkerServices, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("learner_service.served_models._WAIT_SECONDS", 0.3)
    inside = await preflight(ClientSettings(target="inside"), services.reward)
    asked = await preflight(services.rollout, services.reward)
    assert inside.replica_memory is None
    assert inside.memory.weights_bytes == asked.memory.weights_bytes
    assert inside.memory.adapter_bytes > asked.memory.adapter_bytes
    both = asked.memory.estimated_bytes + asked.replica_memory.estimated_bytes
    assert asked.memory.estimated_bytes <= inside.memory.estimated_bytes < both


async def test_the_base_model_is_asked_about_a_sample(preflight, services: WorkerServices):
    result = await preflight(services.rollout, services.reward)
    assert (result.rows, result.images, result.held_out_rows) == (60, 60, 6)
    # "3" to all: right in a sixth, without any variety.
    assert result.base.num_samples == 32
    assert result.base.varied_group_rate == 0
    assert [finding.code for finding in result.findings] == ["no_variety"]
    assert result.memory.estimated_bytes > result.memory.weights_bytes > 0
    assert result.replica_memory.estimated_bytes > result.replica_memory.weights_bytes > 0
    assert result.time.seconds > 0
    assert result.prompt_example.count("<|image_pad|>") == 1
    assert "How many" in result.prompt_example


async def test_the_temperature_that_would_teach_is_named(
    preflight, services: WorkerServices, rollouts: NotingRollouts
):
    rollouts.varies_from = 0.7
    result = await preflight(services.rollout, services.reward, temperature=0.2)
    [finding] = result.findings
    assert (finding.severity, finding.code) == (Severity.WARNING, "no_variety")
    assert "at temperature 0.2 " in str(finding.message)
    assert "differ in 0% of the groups" in str(finding.message)
    # Of the rows whose count is one of the two, and of those that are as far from both.
    assert "at 0.7 they would in " in str(finding.message)
    assert finding.suggestion == {"train.config.temperature": 0.7}
    assert sorted(set(rollouts.temperatures)) == pytest.approx([0.2, 0.5, 0.7])
    again = await preflight(services.rollout, services.reward, temperature=0.7)
    assert again.findings == []


async def test_no_temperature_is_named_that_helps_nothing_or_is_not_taken(
    preflight, services: WorkerServices, rollouts: NotingRollouts
):
    rollouts.varies_from, rollouts.max_temperature = 1.2, 1.0
    result = await preflight(services.rollout, services.reward, temperature=0.7)
    [finding] = result.findings
    assert (finding.code, finding.suggestion) == ("no_variety", {})
    assert "no other temperature helps" in str(finding.message)
    assert sorted(set(rollouts.temperatures)) == pytest.approx([0.7, 1.0])


async def test_a_temperature_beyond_the_engine_s_is_found_before_the_first_step(
    preflight, services: WorkerServices, rollouts: NotingRollouts
):
    rollouts.max_temperature = 2.0
    result = await preflight(services.rollout, services.reward, temperature=3.0)
    [finding] = result.findings
    assert (finding.severity, finding.code) == (Severity.ERROR, "temperature")
    assert finding.suggestion == {"train.config.temperature": 2.0}
    assert (result.base, rollouts.images) == (None, {})


async def test_exact_counts_asks_for_greedy_answers_that_counts_are_written_into(
    preflight, services: WorkerServices, rollouts: NotingRollouts
):
    settings = {"estimator": "exact_counts"}
    result = await preflight(services.rollout, services.reward, **settings)
    [finding] = result.findings
    assert (finding.severity, finding.code) == (Severity.ERROR, "no_count_form")
    assert "it does not end within 64 tokens" in str(finding.message)
    rollouts.end_answers()
    result = await preflight(services.rollout, services.reward, **settings)
    assert result.findings == []
    assert len(rollouts.images["base"]) == 32


async def test_without_replicas_the_rest_is_told(
    preflight, services: WorkerServices, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("learner_service.served_models._WAIT_SECONDS", 0.3)
    nowhere = ClientSettings(target="127.0.0.1:1")
    result = await preflight(nowhere, services.reward)
    assert [finding.code for finding in result.findings] == ["rollouts_away"]
    assert (result.base, result.time) == (None, None)
    assert result.steps.total_steps > 0


async def test_a_mixture_of_experts_is_told_of_by_its_configuration(
    store: BlobStore, dataset_digest: str, services: WorkerServices, tmp_path: Path, monkeypatch
):
    monkeypatch.setattr("learner_service.served_models._WAIT_SECONDS", 0.3)
    save_small_model("aria", tmp_path / "aria")
    (tmp_path / "aria" / "model.safetensors").unlink()
    nowhere = ClientSettings(target="127.0.0.1:1")
    settings = LearnerSettings(rollout=nowhere, reward=services.reward, device="cpu")
    models = ServedModels(settings, ModelList([str(tmp_path / "aria")]))
    training = Training(config=TrainingConfig(num_generations=2), lora=LoraConfig(r=2))
    spec = JobSpec(dataset_digest=dataset_digest, base_model="aria", work=training)
    preflights = Preflights(models, store, settings)
    result = await preflights.run(spec, training, str(tmp_path / "aria"), [])
    codes = [finding.code for finding in result.findings]
    assert codes == ["rollouts_away", "four_bit_on_cpu", "routed_experts"]
