"""What is kept of a log as it grows, against a log that is read whole."""

from random import Random

import pytest

from gateway.steps.step_texts import StepText, StepTexts

CHANGING = 3


def read(log: list[StepText], texts: StepTexts, changing: int) -> StepTexts:
    """As a log is read from the database: what comes after what is settled."""
    new = [event for event in log if event.seq > texts.settled_seq]
    return texts.go_on(log[-1].seq, new, changing)


def test_the_last_run_of_a_step_counts():
    log = [StepText(1, 1, b"a"), StepText(2, 2, b"b"), StepText(5, 2, b"c")]
    texts = read(log, StepTexts(), 0)
    assert texts.by_step == {1: b"a", 2: b"c"}
    assert (texts.last_seq, texts.settled_seq, texts.size_bytes) == (5, 5, 2)


@pytest.mark.parametrize("seed", range(20))
def test_a_log_that_grows_and_drops_texts_reads_as_one_that_is_read_whole(seed: int):
    random, log, texts = Random(seed), [], StepTexts()
    for seq in range(1, 60):
        step = max(1, seq // 2 - random.choice([0, 0, 0, 4]))
        log.append(StepText(seq, step, b"%d" % seq))
        if len(log) > CHANGING and random.random() < 0.6:  # the one that leaves the newest
            log[-CHANGING - 1] = log[-CHANGING - 1]._replace(text=b"")
        if random.random() < 0.4:
            texts = read(log, texts, CHANGING)
    assert read(log, texts, CHANGING).by_step == read(log, StepTexts(), CHANGING).by_step
    assert read(log, texts, CHANGING).by_step == {
        event.step: event.text for event in log if event.text
    }
