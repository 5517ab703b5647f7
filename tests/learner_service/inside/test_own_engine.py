"""A learner that samples inside answers by an engine of its own, but while a job runs."""

import io
import os
import signal

import grpc
import pytest
from PIL import Image

from tally.learner.v1 import learner_pb2 as pb
from tests.learner_service.inside.conftest import Asked
from tests.waiting import wait_until


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (112, 112), "white").save(file, "PNG")
    return file.getvalue()


def answer(inside: Asked, job_id: str = "") -> pb.AnswerResponse:
    """Once no worker is about to end any more, nor a killed engine to be found so."""
    return wait_until(lambda: _try_to_answer(inside, job_id))


def _try_to_answer(inside: Asked, job_id: str) -> pb.AnswerResponse | None:
    try:
        return inside.answer(picture(), job_id)
    except grpc.RpcError:
        return None


def test_it_answers_of_the_base_and_of_an_adapter(inside: Asked):
    alone = answer(inside)
    assert alone.base.text
    assert not alone.HasField("adapter")
    trained = inside.train(max_steps=1)
    both = answer(inside, trained.job_id)
    assert both.base.text == alone.base.text
    assert both.adapter.text


def test_it_goes_before_a_job_begins_and_comes_back(inside: Asked):
    answer(inside)
    assert len(inside.engine_pids()) == 1
    job_id = inside.start(inside.training(max_steps=1000))
    wait_until(lambda: inside.job(job_id).current_step >= 1)
    assert inside.engine_pids() == []
    with pytest.raises(grpc.RpcError) as refused:
        inside.answer(picture())
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    assert "ask again once it has ended" in refused.value.details()
    inside.cancel(job_id)
    assert answer(inside).base.text
    assert inside.job(job_id).status == pb.JOB_STATUS_CANCELLED


def test_one_that_was_killed_is_started_again(inside: Asked):
    answer(inside)
    [pid] = inside.engine_pids()
    os.kill(pid, signal.SIGKILL)
    assert answer(inside).base.text
    assert inside.engine_pids() not in ([], [pid])
