from types import SimpleNamespace

from learner_service.clients.rewards import Score
from learner_service.convert import event_to_proto
from learner_service.data.dataset import Row
from learner_service.events import SamplesShown
from learner_service.grpo.shown_groups import shown_groups
from learner_service.queue.job_store import LoggedEvent
from tally.job.answers import ShownGroup


def row_of(number: int, question: str = "How many?") -> Row:
    return Row(
        number=number,
        question=question,
        true_count=number,
        image_digest="a" * 64,
        width=56,
        height=56,
    )


def shown(groups: int, size: int, text: str = "3") -> list[ShownGroup]:
    scores = [Score(count=None, difference=None, reward=float(n)) for n in range(groups * size)]
    scored = [
        SimpleNamespace(
            row=row_of(row, "q" * 900),
            texts=(text,) * size,
            scores=tuple(scores[number * size : (number + 1) * size]),
        )
        for number, row in enumerate(range(2, 2 + groups))
    ]
    return shown_groups(scored)


def test_answers_stay_with_their_group():
    groups = shown(groups=3, size=2)
    assert [group.row for group in groups] == [2, 3, 4]
    rewards = [[answer.reward for answer in group.answers] for group in groups]
    assert rewards == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]


def test_a_step_shows_at_most_four_groups_and_64_answers():
    assert len(shown(groups=9, size=8)) == 4
    assert len(shown(groups=9, size=30)) == 2
    assert [len(group.answers) for group in shown(groups=2, size=64)] == [64]


def test_long_texts_are_cut():
    group = shown(groups=1, size=2, text="x" * 900)[0]
    assert len(group.question) == 500
    assert {len(answer.text) for answer in group.answers} == {200}


def test_the_contract_says_where_there_is_no_count():
    from datetime import UTC, datetime

    event = SamplesShown(step=4, groups=shown(groups=1, size=2))
    message = event_to_proto(LoggedEvent(seq=1, time=datetime.now(UTC), event=event))
    answers = message.samples_shown.groups[0].answers
    assert message.samples_shown.step == 4
    assert [(answer.HasField("count"), answer.reward) for answer in answers] == [
        (False, 0.0),
        (False, 1.0),
    ]
