"""The same settings have the same names, defaults and ranges wherever they are checked."""

import pytest
from pydantic import BaseModel

from gateway.train_models import LoraConfig, TrainingConfig, TrainRequest
from learner_service.spec import JobSpec, LoraSettings, TrainingSettings
from tally.learner.v1 import learner_pb2 as pb

PAIRS = [(TrainingConfig, TrainingSettings, pb.TrainingConfig)]
PAIRS += [(LoraConfig, LoraSettings, pb.LoraConfig)]


def described(model: type[BaseModel]) -> dict[str, tuple[object, ...]]:
    """Default and bounds of each field."""
    return {
        name: (field.default, *sorted(map(repr, field.metadata)))
        for name, field in model.model_fields.items()
    }


@pytest.mark.parametrize(("outer", "inner", "message"), PAIRS)
def test_gateway_learner_and_contract_agree(outer: type, inner: type, message: type):
    assert described(outer) == described(inner)
    assert set(outer.model_fields) == set(message.DESCRIPTOR.fields_by_name)


def test_the_share_that_is_held_out_is_the_same_everywhere():
    outer, inner = (m.model_fields["evaluation_share"] for m in (TrainRequest, JobSpec))
    assert (outer.default, outer.metadata) == (inner.default, inner.metadata)
    assert pb.JobSpec.DESCRIPTOR.fields_by_name["evaluation_share"].number == 8
