"""The model that an engine samples from: what of it is read, and what is never run."""

from pathlib import Path

from rollout_service.model import load_model, load_outline
from rollout_service.settings import RolloutSettings
from tests.fakes.model_with_code import add_code


def test_code_of_a_models_own_is_never_run(random_policy_path: Path, tmp_path: Path):
    path = tmp_path / "own"
    mark = add_code(random_policy_path, path)
    settings = RolloutSettings(model=str(path), device="cpu", use_4bit=False)
    load_outline(settings)
    load_model(settings)
    assert not mark.exists()
