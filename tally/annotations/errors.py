"""What can be wrong with annotations, each with a message for a person.

BadAnnotations
├── NoQuestion        a line is no object with an image, a question and an answer
├── NoCoco            not JSON in the form of COCO; `.explanation` says where
├── NoSuchImage       an annotation names an image that the file does not have
├── NoSuchCategory    or a category
├── NoClassNames      the names of YOLO's classes can't be read
├── BadLabel          a line of a YOLO label does not begin with a class
├── NoSuchClass       a label names a class that has no name
├── NoParquet         a file is no whole Parquet file
├── NoColumn          a column is missing that is read
└── NoPicture         a row holds no picture of its own
"""

from collections.abc import Iterable


class BadAnnotations(ValueError):
    pass


class NoQuestion(BadAnnotations):
    def __init__(self, explanation: str) -> None:
        super().__init__(f"is no object with image, question and answer: {explanation}")


class NoCoco(BadAnnotations):
    def __init__(self, explanation: str) -> None:
        super().__init__(f"is no COCO file of objects: {explanation}")
        self.explanation = explanation


class NoSuchImage(BadAnnotations):
    def __init__(self, image_id: int) -> None:
        super().__init__(f"an annotation is of the image {image_id}, which the file does not list")
        self.image_id = image_id


class NoSuchCategory(BadAnnotations):
    def __init__(self, category_id: int) -> None:
        message = f"an annotation is of the category {category_id}, which the file does not list"
        super().__init__(message)
        self.category_id = category_id


class NoClassNames(BadAnnotations):
    def __init__(self) -> None:
        super().__init__(
            "holds no names of classes: data.yaml has `names:`, classes.txt one a line"
        )


class BadLabel(BadAnnotations):
    def __init__(self, line: int) -> None:
        super().__init__(f"line {line} does not begin with the number of a class")
        self.line = line


class NoSuchClass(BadAnnotations):
    def __init__(self, line: int, number: int) -> None:
        super().__init__(f"line {line} is of the class {number}, which has no name")
        self.line, self.number = line, number


class NoParquet(BadAnnotations):
    def __init__(self) -> None:
        super().__init__("is no whole Parquet file")


class NoColumn(BadAnnotations):
    def __init__(self, known: Iterable[str], there: Iterable[str]) -> None:
        self.column, self.there = " or ".join(known), ", ".join(there)[:500]
        super().__init__(f"has no column {self.column}; it has {self.there}")


class NoPicture(BadAnnotations):
    def __init__(self, row: int) -> None:
        super().__init__(
            f"holds no picture in row {row}; save the data set with its pictures embedded"
        )
        self.row = row
