"""What images add after the first layers, by hand."""

import torch

from tally.torch_engine.deepstack import Additions, join


def additions(places: list[int], *layers: list[float]) -> Additions:
    """Of a model whose hidden states are one number."""
    return Additions(places=torch.tensor(places), layers=torch.tensor(layers).unsqueeze(-1))


def test_prompts_stand_one_after_another_and_some_have_no_image():
    """Three tokens with an image at the last two, two without one, four with one at the second."""
    first, last = additions([1, 2], [1.0, 2.0], [10.0, 20.0]), additions([1], [3.0], [30.0])
    joined = join([first, None, last], [3, 2, 4])
    for layer, expected in enumerate(
        ([0, 1, 2, 0, 0, 0, 3, 0, 0], [0, 10, 20, 0, 0, 0, 30, 0, 0], [0] * 9)
    ):
        hidden = torch.zeros(9, 1)
        joined.add(layer, hidden)
        assert hidden[:, 0].tolist() == expected


def test_without_an_image_nothing_is_added():
    assert join([None, None], [3, 2]) is None
