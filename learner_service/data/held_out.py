"""Which images training never sees: by image, stratified by count, seeded."""

import random
from collections import defaultdict
from collections.abc import Sequence

from learner_service.data.dataset import Row
from learner_service.job_folder.split_record import SplitRecord
from learner_service.spec import Training

FEWEST_IMAGES = 50
_MOST_HELD_OUT = 1000


def split_rows(
    record: SplitRecord, rows: Sequence[Row], training: Training
) -> tuple[list[Row], list[Row]]:
    """What a job trains on, and what it holds out; `record` is where it writes that down."""
    share, seed = training.held_out_share, training.config.seed
    held_out = set(record.rows(lambda: held_out_numbers(rows, share, seed)))
    seen = [row for row in rows if row.number not in held_out]
    return seen, [row for row in rows if row.number in held_out]


def held_out_numbers(rows: Sequence[Row], share: float, seed: int) -> list[int]:
    """Numbers of the rows of about `share` of the images, each with all its rows; always the same.

    Images are drawn from each true count (that of an image's first row) in proportion, and the
    last image of a count is never taken. None of fewer than FEWEST_IMAGES images.
    """
    numbers_by_image: dict[str, list[int]] = defaultdict(list)
    images_by_count: dict[int, list[str]] = defaultdict(list)
    for row in rows:
        if row.image_digest not in numbers_by_image:
            images_by_count[row.true_count].append(row.image_digest)
        numbers_by_image[row.image_digest].append(row.number)
    if len(numbers_by_image) < FEWEST_IMAGES:
        return []
    number = min(_MOST_HELD_OUT, round(share * len(numbers_by_image)))
    generator = random.Random(seed)
    held_out = [
        image
        for count, taken in _allot(images_by_count, number, generator).items()
        for image in generator.sample(images_by_count[count], taken)
    ]
    return sorted(number for image in held_out for number in numbers_by_image[image])


def _allot(
    images_by_count: dict[int, list[str]], number: int, generator: random.Random
) -> dict[int, int]:
    """How many images of each count: `number` in proportion, by largest remainders."""
    images = sum(map(len, images_by_count.values()))
    quotas = {count: number * len(of) / images for count, of in sorted(images_by_count.items())}
    allotted = {count: int(quota) for count, quota in quotas.items()}
    order = sorted(quotas, key=lambda count: (allotted[count] - quotas[count], generator.random()))
    for count in order:
        if sum(allotted.values()) == number:
            break
        if allotted[count] + 1 < len(images_by_count[count]):
            allotted[count] += 1
    return allotted
