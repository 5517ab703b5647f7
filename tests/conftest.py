"""Fixtures that more than one folder of tests needs."""

from pathlib import Path

import pytest

from tally import torch_compat

torch_compat.install()  # before any test imports transformers


@pytest.fixture(scope="session")
def random_policy_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small policy's architecture, tokenizer and processor; random weights."""
    import torch

    from tally.samples.small_policy import build_image_processor, build_model, build_tokenizer

    torch.manual_seed(7)
    path = tmp_path_factory.mktemp("policy")
    tokenizer = build_tokenizer()
    model = build_model(tokenizer)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(3.0)
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    build_image_processor().save_pretrained(path)
    return path
