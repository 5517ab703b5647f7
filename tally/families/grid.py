"""The sizes of pictures that a model sees as they are, and what each becomes. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ImageGrid:
    """What the image processors of Qwen's models do with sizes, all in pixels.

    A picture is cut into patches; `merge_size` × `merge_size` of them become one token.
    """

    patch_pixels: int
    merge_size: int
    min_pixels: int
    max_pixels: int

    @property
    def token_pixels(self) -> int:
        """The side of what becomes one token: each side of a picture is a multiple of it."""
        return self.patch_pixels * self.merge_size

    def tokens(self, width: int, height: int) -> int:
        """Image tokens of a picture that is on the grid."""
        return (width // self.token_pixels) * (height // self.token_pixels)

    def patches(self, width: int, height: int) -> tuple[int, int, int]:
        """Frames, rows and columns of the patches of a picture that is on the grid."""
        return 1, height // self.patch_pixels, width // self.patch_pixels

    def fit(self, width: int, height: int, max_side_pixels: int) -> tuple[int, int]:
        """Width and height that no processor resizes again, the longer side about as asked.

        Raises ValueError for sides of more than 200 to 1.
        """
        scale = min(1.0, max_side_pixels / max(width, height))
        return self._resize(
            max(self.token_pixels, round(width * scale)),
            max(self.token_pixels, round(height * scale)),
            min(self.max_pixels, max(self.min_pixels, max_side_pixels**2)),
        )

    def check(self, width: int, height: int) -> None:
        """Raises ValueError, saying what would be right, where the processor would resize."""
        if width % self.token_pixels or height % self.token_pixels:
            raise ValueError(
                f"{width}x{height} px; both sides must be multiples of {self.token_pixels}"
            )
        try:
            resized = self._resize(width, height, self.max_pixels)
        except ValueError:  # an aspect ratio that the processor refuses
            resized = (0, 0)
        if resized != (width, height):
            raise ValueError(
                f"{width}x{height} px would be resized; expected {self.min_pixels} to "
                f"{self.max_pixels} pixels in all, and sides of at most 200 to 1"
            )

    def _resize(self, width: int, height: int, max_pixels: int) -> tuple[int, int]:
        """As the processor itself resizes: width and height."""
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import (  # noqa: PLC0415
            smart_resize,
        )

        height, width = smart_resize(
            height,
            width,
            factor=self.token_pixels,
            min_pixels=self.min_pixels,
            max_pixels=max_pixels,
        )
        return width, height
