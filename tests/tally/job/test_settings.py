"""A setting is stated once: whatever says it again says the same."""

from typing import Any

import pytest
from google.protobuf.message import Message
from pydantic import BaseModel

from gateway.jobs.train_models import TrainRequest
from learner_service.spec import Training
from tally.job.choices import Choice
from tally.job.prompt_template import PromptTemplate
from tally.job.settings import (
    DEFAULT_EVALUATION_SHARE,
    LoraConfig,
    RewardWeight,
    TrainingConfig,
)
from tally.learner.v1 import learner_pb2 as pb
from tests.contract_comments import field_comments
from tests.setting_words import default_in_words, figure, range_in_words, schemas_of

PROTO = "tally/learner/v1/learner.proto"
GROUPS = [
    (TrainingConfig, pb.TrainingConfig),
    (LoraConfig, pb.LoraConfig),
    (PromptTemplate, pb.PromptTemplate),
]
FIELDS = [(group, message, name) for group, message in GROUPS for name in group.model_fields]


def expected_comment(group: type[BaseModel], name: str) -> str:
    """'Rank. 1 to 512; 64.', and of a choice the name of its default alone."""
    schema, default = schemas_of(group)[name], group.model_fields[name].default
    if isinstance(default, Choice):
        return f"{schema['description']} {name.upper()}_{default.name}."
    words = default_in_words(default).capitalize()
    known = "; ".join(filter(None, [range_in_words(schema), words]))
    return f"{schema['description']} {known[0].upper()}{known[1:]}."


@pytest.mark.parametrize(("group", "message"), [*GROUPS, (RewardWeight, pb.RewardWeight)])
def test_the_contract_has_every_setting_and_no_other(
    group: type[BaseModel], message: type[Message]
):
    assert list(group.model_fields) == list(message.DESCRIPTOR.fields_by_name)


@pytest.mark.parametrize(("group", "message", "name"), FIELDS, ids=[name for *_, name in FIELDS])
def test_the_contracts_comment_is_the_statement(
    group: type[BaseModel], message: type[Message], name: str
):
    comment = field_comments(PROTO, message.DESCRIPTOR.name)[name]
    assert comment == expected_comment(group, name)


@pytest.mark.parametrize("choices", Choice.__subclasses__())
def test_the_contract_has_every_word_of_a_choice(choices: type[Choice]):
    enum = getattr(pb, choices.__name__).DESCRIPTOR
    prefix = enum.values[0].name.removesuffix("UNSPECIFIED")
    assert [value.name for value in enum.values[1:]] == [f"{prefix}{one.name}" for one in choices]


def test_the_share_that_is_held_out_is_the_same_everywhere():
    for model in (TrainRequest, Training):
        share = model.model_fields["evaluation_share"]
        assert (share.default, share.annotation) == (DEFAULT_EVALUATION_SHARE, float)
    schema = schemas_of(TrainRequest)["evaluation_share"]
    stated = f"{range_in_words(schema)}. {default_in_words(DEFAULT_EVALUATION_SHARE)}."
    assert field_comments(PROTO, "Training")["evaluation_share"].endswith(stated)


@pytest.mark.parametrize("wrong", ["DAPO", "ppo", 4, None, True])
def test_a_choice_is_one_of_its_words(wrong: Any):
    with pytest.raises(ValueError, match="Input should be 'grpo'"):
        TrainingConfig(loss_type=wrong)


@pytest.mark.parametrize(
    ("value", "text"),
    [(5e-5, "5e-5"), (10_000, "10,000"), (128, "128"), (3.0, "3"), (0.05, "0.05")],
)
def test_figures_are_written_as_people_write_them(value: float, text: str):
    assert figure(value) == text
