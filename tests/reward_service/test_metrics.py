"""What the service tells Prometheus of answers that it was sent."""

from reward_service.metrics import RewardMetrics
from reward_service.parsed_count import NoCountReason
from reward_service.servicer import RewardServicer
from tally.reward.v1 import reward_pb2


def figure(metrics: RewardMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"tally_reward_{name}", labels)


async def test_answers_are_counted_and_those_without_a_count_by_the_reason():
    servicer = RewardServicer()
    texts = ["3", "", "apples", "many", "2.5", "-3"]
    await servicer.Parse(reward_pb2.ParseRequest(texts=texts), None)
    assert figure(servicer.metrics, "answers_total") == 6
    reasons = {
        reason.name: figure(
            servicer.metrics, "answers_without_count_total", reason=reason.name.lower()
        )
        for reason in NoCountReason
    }
    assert reasons == {
        "EMPTY": 1,
        "NO_NUMBER": 2,
        "DECIMAL": 1,
        "NEGATIVE": 1,
        "RANGE": 0,
        "SEVERAL_COUNTS": 0,
        "TOO_LARGE": 0,
    }
    assert figure(servicer.metrics, "scored_answers_total") == 0


async def test_scored_answers_are_counted_and_timed():
    servicer = RewardServicer()
    answers = [reward_pb2.Answer(text=text, true_count=3) for text in ("3", "three", "4", "apples")]
    await servicer.Score(reward_pb2.ScoreRequest(answers=answers), None)
    assert figure(servicer.metrics, "answers_total") == 4
    assert figure(servicer.metrics, "scored_answers_total") == 4
    assert figure(servicer.metrics, "exact_answers_total") == 2
    assert figure(servicer.metrics, "score_seconds_count") == 1
