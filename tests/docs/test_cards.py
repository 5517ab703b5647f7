"""What the tutorial says of cards: its settings fit where it says that they do."""

import json
from pathlib import Path
from typing import Any

import pytest

from learner_service.preflight.memory import TIGHT
from tests.card_table import CARDS_GIB, estimated_bytes
from tests.docs.snippets import ROOT, snippets_of

_TUTORIALS = ("tutorial.md", "tutorial.zh-TW.md")


def _settings(document: Path) -> list[dict[str, Any]]:
    """Of the cards, in the order of the document: the largest first."""
    written = [json.loads(one.text) for one in snippets_of(document) if one.language == "json"]
    return [{name: v for group in one.values() for name, v in group.items()} for one in written]


@pytest.mark.parametrize("tutorial", _TUTORIALS)
def test_the_settings_for_a_card_fit_it(tutorial: str):
    settings = _settings(ROOT / "docs" / tutorial)
    assert len(settings) == len(CARDS_GIB)
    for chosen, card in zip(settings, sorted(CARDS_GIB, reverse=True), strict=True):
        inside, _ = estimated_bytes(chosen)
        assert inside <= TIGHT * card * 1024**3, (chosen, card)
