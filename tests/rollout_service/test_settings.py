from collections.abc import Iterator

import pytest
from pydantic import BaseModel, ValidationError

from rollout_service.settings import RolloutSettings


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, str | None]]:
    for name, field in model.model_fields.items():
        yield f"{model.__name__}.{name}", field.description
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _fields(field.annotation)


def test_every_setting_is_described():
    assert [name for name, description in _fields(RolloutSettings) if not description] == []


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("TALLY_ROLLOUT_SERVER__PORT", "1234")
    monkeypatch.setenv("TALLY_ROLLOUT_BLOB__TARGET", "blobs:1")
    settings = RolloutSettings()
    assert (settings.server.port, settings.blob.target) == (1234, "blobs:1")


def test_settings_come_from_the_command_line():
    settings = RolloutSettings(_cli_parse_args=["--server.port", "0", "--use-4bit", "true"])
    assert (settings.server.port, settings.use_4bit) == (0, True)


def test_a_bad_setting_is_refused():
    with pytest.raises(ValidationError, match="max_completions"):
        RolloutSettings(max_completions=0)
