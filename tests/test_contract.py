"""What one service writes and another reads has the same names."""

import json

import pytest

from gateway.results.report_models import Evaluation, EvaluationScores
from learner_service import spec
from learner_service.evaluation.comparison import SCORES, comparison
from tally.learner.v1 import learner_pb2 as pb
from tests.learner_service.evaluation.test_comparison import FOUR


@pytest.mark.parametrize(
    ("inner", "message"),
    [(spec.Training, pb.Training), (spec.Evaluation, pb.Evaluation), (spec.JobSpec, pb.JobSpec)],
)
def test_the_learner_reads_every_field_of_what_a_job_does(inner: type, message: type):
    works = {"train": "work", "evaluate": "work"}
    names = {works.get(field.name, field.name) for field in message.DESCRIPTOR.fields}
    assert set(inner.model_fields) - {"kind"} == names


def test_the_gateway_reads_the_comparison_that_the_learner_writes():
    written = comparison(FOUR, seed=43)
    read = Evaluation(**json.loads(json.dumps(written)), held_out=None, file_id="x")
    shown = json.loads(read.model_dump_json(exclude={"held_out", "file_id"}))
    assert shown == json.loads(json.dumps(written))
    names = {field.name for field in pb.EvaluationScores.DESCRIPTOR.fields}
    assert names == set(SCORES) == set(EvaluationScores.model_fields)
