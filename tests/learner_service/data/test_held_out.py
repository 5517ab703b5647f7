from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from learner_service.data.dataset import Row
from learner_service.data.held_out import held_out_numbers
from learner_service.spec import JobSpec, Training


def rows_of(counts: list[int], images: list[int] | None = None) -> list[Row]:
    """Rows from 2 on; `images` numbers the image of each, by default one of its own."""
    image_numbers = images or list(range(len(counts)))
    return [
        Row(
            number=number,
            question="How many?",
            true_count=count,
            image_digest=f"{image:064x}",
            width=56,
            height=56,
        )
        for number, (count, image) in enumerate(zip(counts, image_numbers, strict=True), start=2)
    ]


def test_each_count_gives_its_share():
    rows = rows_of([1] * 100 + [2] * 50 + [3] * 10)
    numbers = held_out_numbers(rows, 0.1, seed=43)
    counts = Counter(rows[number - 2].true_count for number in numbers)
    assert counts == {1: 10, 2: 5, 3: 1}


def test_the_seed_decides_and_nothing_else():
    rows = rows_of([1, 2, 3] * 40)
    assert held_out_numbers(rows, 0.1, 43) == held_out_numbers(rows, 0.1, 43)
    assert held_out_numbers(rows, 0.1, 43) != held_out_numbers(rows, 0.1, 44)


def test_an_image_is_held_out_with_all_its_rows():
    rows = rows_of([1, 2] * 60, images=[number // 2 for number in range(120)])
    held_out = set(held_out_numbers(rows, 0.2, seed=1))
    assert len(held_out) == 24
    images = {row.image_digest for row in rows if row.number in held_out}
    assert not images & {row.image_digest for row in rows if row.number not in held_out}


def test_little_data_and_a_share_of_nothing_hold_nothing_out():
    assert held_out_numbers(rows_of([1, 2] * 24 + [3]), 0.5, seed=1) == []
    assert len(held_out_numbers(rows_of([1, 2] * 25), 0.1, seed=1)) == 5
    assert held_out_numbers(rows_of([1, 2] * 50), 0.0, seed=1) == []


def test_a_large_upload_gives_a_thousand():
    assert len(held_out_numbers(rows_of([1, 2, 3] * 5000), 0.1, seed=1)) == 1000


@given(
    st.lists(st.integers(0, 12), min_size=50, max_size=200),
    st.floats(0, 0.5),
    st.integers(0, 2**32 - 1),
)
def test_what_is_held_out_is_a_part_and_every_count_stays_in_training(counts, share, seed):
    rows = rows_of(counts)
    numbers = held_out_numbers(rows, share, seed)
    assert len(set(numbers)) == len(numbers) <= round(share * len(rows))
    assert {row.true_count for row in rows if row.number not in set(numbers)} == set(counts)
    every_count_often = min(Counter(counts).values()) > 1
    assert not every_count_often or len(numbers) == round(share * len(rows))


def test_jobs_that_train_on_other_images_are_not_the_same():
    def fingerprint(job_name: str = "", **training: object) -> str:
        work = Training(**training)
        spec = JobSpec(job_name=job_name, dataset_digest="a" * 64, base_model="small", work=work)
        return spec.fingerprint()

    assert fingerprint() != fingerprint(evaluation_share=0.2)
    given = fingerprint(evaluation_dataset_digest="b" * 64)
    assert given != fingerprint()
    assert given == fingerprint("x", evaluation_dataset_digest="b" * 64, evaluation_share=0.2)
    assert given == fingerprint(evaluation_dataset_digest="c" * 64)
