"""COCO's annotations as counts."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tally.annotations.coco import count_coco
from tally.annotations.errors import BadAnnotations, NoCoco, NoSuchCategory, NoSuchImage

CATS, DOGS = {"id": 18, "name": "cat"}, {"id": 3, "name": "dog"}


def coco(*annotations: dict, **parts: object) -> bytes:
    images = [{"id": 7, "file_name": "a.jpg", "width": 9}, {"id": 9, "file_name": "b.jpg"}]
    whole = {"images": images, "categories": [CATS, DOGS], "annotations": annotations}
    return json.dumps({"info": {"year": 2017}, **whole, **parts}).encode()


def one(image: int, category: int, **more: object) -> dict:
    return {"id": 1, "image_id": image, "category_id": category, "bbox": [1.5, 2, 3, 4], **more}


def counts(data: bytes, *, zero_counts: bool = False) -> list[tuple[str, str, int]]:
    return [tuple(counted) for counted in count_coco(data, zero_counts=zero_counts)]


def test_annotations_are_counted_by_image_and_category():
    data = coco(one(7, 18), one(9, 3), one(7, 18, segmentation=[[1, 2]]), one(7, 3))
    assert counts(data) == [("a.jpg", "dog", 1), ("a.jpg", "cat", 2), ("b.jpg", "dog", 1)]


def test_zero_counts_are_a_choice():
    data = coco(one(7, 18))
    assert counts(data) == [("a.jpg", "cat", 1)]
    with_zero = [("a.jpg", "cat", 1), ("a.jpg", "dog", 0), ("b.jpg", "cat", 0), ("b.jpg", "dog", 0)]
    assert counts(data, zero_counts=True) == with_zero


def test_of_a_crowd_no_count_is_known():
    data = coco(one(7, 18, iscrowd=1), one(7, 18), one(7, 3))
    assert counts(data) == [("a.jpg", "dog", 1)]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", NoCoco),
        (b"[]", NoCoco),
        (b"{", NoCoco),
        (b"[" * 100_000, NoCoco),
        (coco(images=[{"id": "x", "file_name": "a.jpg"}]), NoCoco),
        (coco(categories=None), NoCoco),
        (coco(one(8, 18)), NoSuchImage),
        (coco(one(7, 19)), NoSuchCategory),
    ],
)
def test_what_is_no_coco_is_told(data: bytes, error: type[BadAnnotations]):
    with pytest.raises(error):
        counts(data)


def test_pairs_that_nothing_was_annotated_of_cost_nothing():
    """A square of them would never end."""
    many = range(200_000)
    images = [{"id": n, "file_name": "a.jpg"} for n in many]
    categories = [{"id": n, "name": "cat"} for n in many]
    data = coco(one(7, 9), images=images, categories=categories)
    assert counts(data) == [("a.jpg", "cat", 1)]


@given(st.lists(st.tuples(st.sampled_from([7, 9]), st.sampled_from([18, 3])), max_size=30))
def test_every_annotation_is_counted_once(pairs: list[tuple[int, int]]):
    data = coco(*(one(image, category) for image, category in pairs))
    assert sum(count for *_, count in counts(data)) == len(pairs)
    assert counts(data, zero_counts=True)[0] == ("a.jpg", "cat", pairs.count((7, 18)))
