"""An image that somebody sent, as a blob that the replicas can fetch while they are asked."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from learner_service.blobs.blob_store import BlobStore
from learner_service.data.images import decode, fit_to_grid, to_png
from learner_service.dataset_settings import DatasetSettings
from tally.families.grid import ImageGrid
from tally.rpc.errors import InvalidArgument


class StagedImage(NamedTuple):
    """Its digest in the blob store, and its sides in pixels."""

    digest: str
    width: int
    height: int


class ImageStage:
    def __init__(self, blobs: BlobStore, limits: DatasetSettings) -> None:
        """`limits` are those of an image."""
        self._blobs = blobs
        self._limits = limits

    @asynccontextmanager
    async def hold(
        self, image: bytes, grid: ImageGrid, max_image_size: int
    ) -> AsyncIterator[StagedImage]:
        """The image while the context is open. Raises InvalidArgument."""
        fitted = await asyncio.to_thread(self._fit, image, grid, max_image_size)
        digest = await asyncio.to_thread(self._blobs.put_bytes, _unique_png(fitted))
        try:
            yield StagedImage(digest, fitted.width, fitted.height)
        finally:
            self._blobs.delete(digest)

    def _fit(self, image: bytes, grid: ImageGrid, max_image_size: int) -> Image.Image:
        decoded = decode(image, "image", self._limits)
        try:
            return fit_to_grid(decoded, grid, max_image_size)
        except ValueError as error:
            raise InvalidArgument(f"image: {error}") from error


def _unique_png(image: Image.Image) -> bytes:
    """A job may have staged the same picture: only other bytes can be deleted without harm."""
    note = PngInfo()
    note.add_text("Comment", uuid.uuid4().hex)
    return to_png(image, note)
