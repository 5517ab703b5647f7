"""Pictures that other files name, found among the files."""

from collections import defaultdict
from functools import partial

from tally.annotations.questions import Question
from tally.cli.errors import CliError
from tally.cli.importing.asked import Asked
from tally.cli.importing.files import Files

_IMAGES = "images/"


class Pictures:
    """The files by the names that `named_in`, one of them, may call them."""

    def __init__(self, files: Files, named_in: str) -> None:
        self._files = files
        self._named_in = named_in
        folder = named_in.rpartition("/")[0]
        self._folders = dict.fromkeys((f"{folder}/" if folder else "", "", _IMAGES))
        self._by_base: dict[str, list[str]] = defaultdict(list)
        for name in sorted(files.names):
            self._by_base[name.rsplit("/", 1)[-1]].append(name)

    def ask(self, question: Question) -> Asked:
        """Raises CliError where the picture is not there, or could be one of several."""
        name = self._find(question.image)
        return Asked(
            question._replace(image=name.removeprefix(_IMAGES)), partial(self._files.read, name)
        )

    def _find(self, image: str) -> str:
        image = image.replace("\\", "/").removeprefix("./")
        for folder in self._folders:
            if folder + image in self._files.names:
                return folder + image
        alike = self._by_base.get(image.rsplit("/", 1)[-1], [])
        if len(alike) == 1:
            return alike[0]
        what = f"may be one of {', '.join(alike[:3])}" if alike else "is not there"
        raise CliError(f"{self._named_in}: the picture {image} {what}.")
