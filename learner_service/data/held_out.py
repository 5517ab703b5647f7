"""Which images training never sees: by image, stratified by count, seeded."""

import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from learner_service.data.dataset import Sample
from learner_service.job_folder.split_record import recorded_rows
from learner_service.spec import JobSpec

FEWEST_IMAGES = 50
_MOST_HELD_OUT = 1000


def split_samples(
    folder: Path, samples: Sequence[Sample], spec: JobSpec
) -> tuple[list[Sample], list[Sample]]:
    """What the job in `folder` trains on, and what it holds out."""
    share, seed = spec.held_out_share, spec.training.seed
    rows = set(recorded_rows(folder, lambda: held_out_rows(samples, share, seed)))
    training = [sample for sample in samples if sample.row not in rows]
    return training, [sample for sample in samples if sample.row in rows]


def held_out_rows(samples: Sequence[Sample], share: float, seed: int) -> list[int]:
    """Rows of about `share` of the images, an image with all its rows; the same ones each time.

    Images are drawn from each true count (that of an image's first row) in proportion, and the
    last image of a count is never taken. None of fewer than FEWEST_IMAGES images.
    """
    rows_by_image: dict[str, list[int]] = defaultdict(list)
    images_by_count: dict[int, list[str]] = defaultdict(list)
    for sample in samples:
        if sample.image_digest not in rows_by_image:
            images_by_count[sample.true_count].append(sample.image_digest)
        rows_by_image[sample.image_digest].append(sample.row)
    if len(rows_by_image) < FEWEST_IMAGES:
        return []
    number = min(_MOST_HELD_OUT, round(share * len(rows_by_image)))
    generator = random.Random(seed)
    held_out = [
        image
        for count, taken in _allotted(images_by_count, number, generator).items()
        for image in generator.sample(images_by_count[count], taken)
    ]
    return sorted(row for image in held_out for row in rows_by_image[image])


def _allotted(
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
