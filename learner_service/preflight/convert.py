"""A preflight to the messages of learner.v1."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from learner_service.convert import figures
from tally.learner.v1 import learner_pb2 as pb
from tally.messages.convert import coded_message

if TYPE_CHECKING:
    from learner_service.preflight.memory import MemoryEstimate
    from learner_service.preflight.preflight import Preflight


def preflight_response(result: "Preflight") -> pb.PreflightResponse:
    base = result.base
    response = pb.PreflightResponse(
        findings=[
            pb.Finding(
                severity=pb.Severity.Value(f"SEVERITY_{finding.severity.upper()}"),
                code=finding.code,
                where=finding.where,
                message=str(finding.message),
                suggestion=finding.suggestion,
                said=coded_message(finding.message),
            )
            for finding in result.findings
        ],
        data=pb.DataSummary(
            rows=result.rows,
            images=result.images,
            training_rows=result.rows - result.held_out_rows,
            held_out_rows=result.held_out_rows,
            counts=[pb.CountRows(count=c, rows=r) for c, r in result.counts.items()],
            kinds=[pb.KindRows(kind=k, rows=r) for k, r in result.kinds.items()],
        ),
        steps=pb.StepPlan(**asdict(result.steps)),
        prompt_example=result.prompt_example,
        memory=_memory_estimate(result.memory),
    )
    if result.replica_memory is not None:
        response.replica_memory.CopyFrom(_memory_estimate(result.replica_memory))
    if base is not None:
        response.base.CopyFrom(
            pb.BaseSample(
                num_samples=base.num_samples,
                scores=pb.EvaluationScores(**figures(base.scores)),
                varied_group_rate=base.varied_group_rate,
                any_right_rate=base.any_right_rate,
            )
        )
    if result.time is not None:
        time = result.time
        response.time.CopyFrom(
            pb.TimeEstimate(
                seconds=time.seconds,
                seconds_per_step=time.seconds_per_step,
                basis=str(time.basis),
                said_basis=coded_message(time.basis),
            )
        )
    return response


def _memory_estimate(memory: "MemoryEstimate") -> pb.MemoryEstimate:
    return pb.MemoryEstimate(estimated_bytes=memory.estimated_bytes, **asdict(memory))
