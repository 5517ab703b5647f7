"""Folders of made-up models are whole: what transformers loads is all that they hold."""

import torch
from transformers import AutoModelForImageTextToText

from bench.models import SHAPES, write_policy
from bench.random_weights import index_path


def test_a_written_model_loads_whole_in_its_precision(tmp_path):
    folder = write_policy(SHAPES["small"], tmp_path / "small", dtype="bfloat16")
    model, info = AutoModelForImageTextToText.from_pretrained(folder, output_loading_info=True)
    assert not any(info.values())
    assert model.dtype == torch.bfloat16
    gate = model.model.language_model.layers[0].mlp.gate_proj.weight.float()
    assert 0.018 < gate.std() < 0.022


def test_a_folder_that_is_whole_is_left_as_it_is(tmp_path):
    folder = write_policy(SHAPES["small"], tmp_path / "small")
    written = index_path(folder).stat().st_mtime_ns
    assert write_policy(SHAPES["small"], folder) == folder
    assert index_path(folder).stat().st_mtime_ns == written
