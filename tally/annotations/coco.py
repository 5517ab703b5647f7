"""COCO's annotations of objects (https://cocodataset.org/#format-data) as counts."""

from collections.abc import Collection, Iterator

import msgspec

from tally.annotations.errors import NoCoco, NoSuchCategory, NoSuchImage
from tally.annotations.questions import CountedImage


class _Image(msgspec.Struct):
    id: int
    file_name: str


class _Category(msgspec.Struct):
    id: int
    name: str


class _Annotation(msgspec.Struct):
    image_id: int
    category_id: int
    iscrowd: int = 0


class _Coco(msgspec.Struct):
    """What is read of the file; all else is passed over without being held."""

    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


def count_coco(data: bytes, *, zero_counts: bool) -> Iterator[CountedImage]:
    """Each image with each category and how many of it are annotated, images in the file's order.

    Categories of which an image has none are counted with `zero_counts` alone. Where an annotation
    stands for a crowd, how many there are is not known, and it is left out. Raises BadAnnotations.
    """
    try:
        coco = msgspec.json.decode(data, type=_Coco)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise NoCoco(str(error)[:200]) from None
    names = {category.id: category.name for category in coco.categories}
    counts, crowds = _count(coco, names)
    for image in coco.images:
        of_image = counts.get(image.id, {})
        for category in names if zero_counts else sorted(of_image):
            if (image.id, category) not in crowds:
                yield CountedImage(image.file_name, names[category], of_image.get(category, 0))


def _count(
    coco: _Coco, categories: Collection[int]
) -> tuple[dict[int, dict[int, int]], set[tuple[int, int]]]:
    """By image how many annotations each category has, and the pairs that have a crowd."""
    images = {image.id for image in coco.images}
    counts: dict[int, dict[int, int]] = {}
    crowds = set()
    for one in coco.annotations:
        if one.image_id not in images:
            raise NoSuchImage(one.image_id)
        if one.category_id not in categories:
            raise NoSuchCategory(one.category_id)
        of_image = counts.setdefault(one.image_id, {})
        of_image[one.category_id] = of_image.get(one.category_id, 0) + 1
        if one.iscrowd:
            crowds.add((one.image_id, one.category_id))
    return counts, crowds
