"""What one service writes and another reads has the same names."""

import json

from gateway.results.metric_models import Evaluation, EvaluationScores
from learner_service.evaluation.comparison import SCORES, comparison
from tally.learner.v1 import learner_pb2 as pb
from tests.learner_service.evaluation.test_comparison import FOUR


def test_the_gateway_reads_the_comparison_that_the_learner_writes():
    written = comparison(FOUR, seed=43)
    read = Evaluation(**json.loads(json.dumps(written)), held_out=None, file_id="x")
    shown = json.loads(read.model_dump_json(exclude={"held_out", "file_id"}))
    assert shown == json.loads(json.dumps(written))
    names = {field.name for field in pb.EvaluationScores.DESCRIPTOR.fields}
    assert names == set(SCORES) == set(EvaluationScores.model_fields)
