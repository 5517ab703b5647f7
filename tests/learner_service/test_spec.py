import pytest

from learner_service.errors import InvalidSpec
from learner_service.spec import JobSpec, validated_spec
from tally.job.settings import TrainingConfig


@pytest.mark.parametrize(
    ("correction", "staleness", "precision_differs", "corrected"),
    [
        ("auto", 0, False, False),
        ("auto", 1, False, True),
        ("auto", 0, True, True),
        ("off", 1, True, False),
        ("on", 0, False, True),
    ],
)
def test_when_losses_are_corrected(
    correction: str, staleness: int, precision_differs: bool, corrected: bool
):
    training = TrainingConfig(importance_correction=correction, staleness=staleness)
    assert training.is_corrected(precision_differs) is corrected


def fields_of(**config: object) -> dict:
    work = {"kind": "train", "config": config}
    return {"dataset_digest": "a" * 64, "base_model": "small", "work": work}


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"staleness": 1}, "staleness: 1 with exact_counts.*set 0"),
        ({"advantage_scale": "batch"}, "advantage_scale: batch.*set group or none"),
        ({"zero_variance_groups": "refill"}, "zero_variance_groups: refill.*set skip"),
        ({"prompt_selection": "by_history"}, "prompt_selection: by_history.*set uniform"),
    ],
)
def test_what_exact_counts_has_no_meaning_for_is_refused(setting: dict, sentence: str):
    validated_spec(fields_of(estimator="exact_counts"))
    validated_spec(fields_of(**setting))
    with pytest.raises(InvalidSpec, match=f"train.config.{sentence}"):
        validated_spec(fields_of(estimator="exact_counts", **setting))


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"first_completions": 1}, "1 of a prompt's 8 completions.*set 2 to 7, or 0"),
        ({"first_completions": 8}, "8 of a prompt's 8 completions.*set 2 to 7, or 0"),
        ({"num_generations": 2}, "2 of a prompt's 2 completions.*set 0"),
        ({"estimator": "exact_counts"}, "2 with exact_counts.*set 0"),
        ({"zero_variance_groups": "learn"}, "2 leaves groups unfinished.*set 0, or skip there"),
        ({"beta": 0.1}, "2 leaves groups unfinished.*set 0, or beta to 0"),
    ],
)
def test_what_leaves_nothing_to_go_on_for_is_refused(setting: dict, sentence: str):
    first = {"first_completions": 2}
    validated_spec(fields_of(**first, zero_variance_groups="refill", staleness=1))
    validated_spec(fields_of(**setting | {"first_completions": 0}))
    with pytest.raises(InvalidSpec, match=f"train.config.first_completions: {sentence}"):
        validated_spec(fields_of(**first | setting))


@pytest.mark.parametrize("size", ["batch_size", "gradient_accumulation_steps"])
def test_by_history_takes_a_choice(size: str):
    one = {"batch_size": 1, "gradient_accumulation_steps": 1}
    by_history = one | {"prompt_selection": "by_history"}
    validated_spec(fields_of(**one))
    validated_spec(fields_of(**by_history | {size: 2}))
    with pytest.raises(InvalidSpec, match="prompt_selection: by_history with one prompt a step"):
        validated_spec(fields_of(**by_history))


@pytest.mark.parametrize(
    ("largest_count", "largest_true_count", "last"),
    [(0, 9, 12), (0, 60, 63), (0, 10**9, 63), (20, 9, 20), (5, 9, 5)],
)
def test_which_counts_are_written_out(largest_count: int, largest_true_count: int, last: int):
    training = TrainingConfig(estimator="exact_counts", largest_count=largest_count)
    assert training.last_count(largest_true_count) == last


def spec_of(evaluation_dataset_digest: str = "", **config: object) -> JobSpec:
    work = {
        "kind": "train", "config": config, "evaluation_dataset_digest": evaluation_dataset_digest,
    }  # fmt: skip
    return validated_spec({"dataset_digest": "a" * 64, "base_model": "small", "work": work})


def test_patience_without_evaluations_is_refused():
    with pytest.raises(InvalidSpec, match=r"evaluation_patience: 3 without.*set evaluation_steps"):
        spec_of(evaluation_patience=3)
    spec_of(evaluation_patience=3, evaluation_steps=10)


def test_a_job_may_go_on_from_one_that_was_watched_otherwise():
    plain = spec_of().fingerprint()
    watched = {"evaluation_steps": 5, "evaluation_patience": 2, "zero_variance_patience": 9}
    assert spec_of(**watched).fingerprint() == plain
    assert spec_of("b" * 64).fingerprint() == spec_of("c" * 64).fingerprint()
    # A curve is one of answers to the same questions.
    curves = {spec_of(digest * 64, **watched).fingerprint() for digest in ("b", "c")}
    assert len(curves) == 2
    assert spec_of(temperature=0.5).fingerprint() != plain
