"""What the benches train on: counting scenes of any size, with their questions and true counts."""

from dataclasses import dataclass
from random import Random

from PIL import Image

from tally.samples.scenes import DEMO_SCENES, SceneSet


@dataclass(frozen=True, kw_only=True)
class Example:
    """One question about one image."""

    image: Image.Image
    question: str
    true_count: int


def examples(
    number: int, side_pixels: int, seed: int = 0, scene_set: SceneSet = DEMO_SCENES
) -> list[Example]:
    """`number` scenes, enlarged to squares of `side_pixels`, a multiple of 28."""
    drawn = [scene_set.draw(Random(seed * 1_000_000 + index)) for index in range(number)]
    return [
        Example(
            image=scene.image.resize((side_pixels, side_pixels)),
            question=scene.question,
            true_count=scene.count,
        )
        for scene in drawn
    ]
