"""Pictures that something is asked about at once: checked as those of an upload are."""

from gateway.errors import Unprocessable
from gateway.images.reading import clean_image
from gateway.images.stripped import BadImage
from gateway.settings import GatewaySettings
from gateway.uploads.checking import Check, Checker


class AskedPictures:
    def __init__(self, settings: GatewaySettings, checker: Checker) -> None:
        self._settings = settings
        self._checker = checker

    async def clean(self, data: bytes, where: str) -> bytes:
        """The picture upright, nothing told with it; raises Unprocessable that names `where`."""
        return await self._checker.run(self._check(data, where), len(data))

    def _check(self, data: bytes, where: str) -> Check[bytes]:
        yield
        try:
            return clean_image(data, self._settings).data
        except BadImage as problem:
            raise Unprocessable.at(where, problem.message) from None
