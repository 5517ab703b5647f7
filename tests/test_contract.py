"""The same settings have the same names, defaults and ranges wherever they are checked."""

import json

import pytest
from pydantic import BaseModel

from gateway.jobs import train_models
from gateway.results.metric_models import Evaluation, EvaluationScores
from learner_service import spec
from learner_service.evaluation.comparison import SCORES, comparison
from tally.learner.v1 import learner_pb2 as pb
from tests.learner_service.evaluation.test_comparison import FOUR

PAIRS = [
    (train_models.TrainingConfig, spec.TrainingConfig, pb.TrainingConfig),
    (train_models.LoraConfig, spec.LoraConfig, pb.LoraConfig),
]


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
    outer, inner = (
        model.model_fields["evaluation_share"]
        for model in (train_models.TrainRequest, spec.JobSpec)
    )
    assert (outer.default, outer.metadata) == (inner.default, inner.metadata)
    assert pb.JobSpec.DESCRIPTOR.fields_by_name["evaluation_share"].number == 8


def test_the_gateway_reads_the_comparison_that_the_learner_writes():
    written = comparison(FOUR, seed=43)
    read = Evaluation(**json.loads(json.dumps(written)), held_out=None, file_id="x")
    shown = json.loads(read.model_dump_json(exclude={"held_out", "file_id"}))
    assert shown == json.loads(json.dumps(written))
    names = {field.name for field in pb.EvaluationScores.DESCRIPTOR.fields}
    assert names == set(SCORES) == set(EvaluationScores.model_fields)
