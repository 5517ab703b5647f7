"""What one service writes and another reads has the same names."""

import json
from dataclasses import asdict

import pytest
from pydantic import TypeAdapter

from gateway.results.report_models import Evaluation
from learner_service import spec
from learner_service.evaluation.comparison import comparison
from tally.learner.v1 import learner_pb2 as pb
from tests.learner_service.evaluation.test_comparison import FOUR


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        (spec.Training, pb.Training),
        (spec.Evaluation, pb.Evaluation),
        (spec.Prediction, pb.Prediction),
        (spec.JobSpec, pb.JobSpec),
    ],
)
def test_the_learner_reads_every_field_of_what_a_job_does(inner: type, message: type):
    works = {"train": "work", "evaluate": "work", "predict": "work"}
    names = {works.get(field.name, field.name) for field in message.DESCRIPTOR.fields}
    assert set(inner.model_fields) - {"kind"} == names


def test_the_gateway_reads_the_comparison_that_the_learner_writes():
    written = json.loads(json.dumps(asdict(comparison(FOUR, seed=43))))
    read = TypeAdapter(Evaluation).dump_python(Evaluation(**written, file_id="x"), mode="json")
    assert read == {**written, "file_id": "x"}
