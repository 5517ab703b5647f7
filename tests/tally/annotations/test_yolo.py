"""YOLO's labels as counts."""

import pytest

from tally.annotations.errors import BadAnnotations, BadLabel, NoClassNames, NoSuchClass
from tally.annotations.yolo import (
    count_labels,
    find_class_names,
    find_labels,
    read_class_names,
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("data.yaml", "names: ['cat', 'dog']\nnc: 2"),
        ("data.yaml", "path: x\nnames:\n  0: cat\n  1: dog\n"),
        ("dataset.yml", "names:\n- cat\n- dog"),
        ("classes.txt", "cat\ndog\n"),
        ("obj.names", "\ufeffcat\r\ndog"),
    ],
)
def test_names_of_classes(name: str, text: str):
    assert read_class_names(name, text.encode()) == {0: "cat", 1: "dog"}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("data.yaml", b"nc: 2"),
        ("data.yaml", b"names: 3"),
        ("data.yaml", b"names: {a: b}"),
        ("data.yaml", b"names: [[]]"),
        ("data.yaml", b"names: {[]: a}"),
        ("data.yaml", b"a: &a {x: y}\nnames: {<<: *a}"),
        ("data.yaml", b"["),
        ("data.yaml", b"\xff\xfe"),
        ("data.yaml", b"[" * 5_000),
        ("classes.txt", b""),
    ],
)
def test_what_names_no_classes_is_told(name: str, data: bytes):
    with pytest.raises(NoClassNames):
        read_class_names(name, data)


def test_yaml_runs_nothing():
    data = b"names: !!python/object/apply:os.abort [cat]"
    assert read_class_names("data.yaml", data) == {0: "cat"}


def test_mappings_that_double_with_every_line_are_not_merged():
    lines = ["a0: &a0 {x: y}"]
    lines += [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, 40)]
    with pytest.raises(NoClassNames):
        read_class_names("data.yaml", "\n".join([*lines, "names: *a39"]).encode())


def test_labels_lie_in_their_own_folder_or_beside():
    names = {
        "data.yaml",
        "images/train/a.jpg",
        "labels/train/a.txt",
        "b.PNG",
        "b.txt",
        "images/c.jpg",
    }
    assert find_class_names(names) == "data.yaml"
    assert find_labels(names) == {
        "b.PNG": "b.txt",
        "images/c.jpg": None,
        "images/train/a.jpg": "labels/train/a.txt",
    }


def test_each_line_is_one_object():
    classes = {0: "cat", 1: "dog"}
    data = b"0 0.5 0.5 0.1 0.1\r\n\n1 0.1 0.2 0.3 0.4 0.5 0.6\n0 1 1 1 1"
    assert count_labels(data, classes) == {0: 2, 1: 1}
    assert count_labels(b"", classes) == {}


@pytest.mark.parametrize(
    ("data", "error"),
    [(b"cat 1 1 1 1", BadLabel), (b"0 1\n-1 2", BadLabel), (b"\xff\xfe", BadLabel),
     (b"2 1 1 1 1", NoSuchClass)],
)  # fmt: skip
def test_lines_that_are_no_labels_are_told(data: bytes, error: type[BadAnnotations]):
    with pytest.raises(error):
        count_labels(data, {0: "cat"})
