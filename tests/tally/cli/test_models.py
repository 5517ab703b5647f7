"""`tally models`."""

import json

from tests.tally.cli.conftest import Tally


def test_each_model_has_its_size_and_its_licence(tally: Tally) -> None:
    assert tally("models").stdout.splitlines() == [
        "name\tfamily\tparameters\tlicence",
        (
            "Qwen/Qwen2.5-VL-3B-Instruct (default)\tqwen2_5_vl\t3.75 billion\t"
            "Qwen Research License Agreement: research only"
        ),
        "mine\t\t\tsee its own card",
    ]
    assert json.loads(tally("models", "--json").stdout)[1]["name"] == "mine"
