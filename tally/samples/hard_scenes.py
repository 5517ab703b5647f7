"""Harder counting scenes: 1 to 15 objects of the kind that is asked for, of many sizes and colours,
which overlap, among objects of other kinds."""

from collections.abc import Sequence
from functools import partial
from math import hypot
from random import Random

from PIL import Image, ImageDraw

from tally.samples.kinds import KINDS, Kind, Pen, Point
from tally.samples.scenes import (
    IMAGE_SIZE_PIXELS,
    QUESTIONS,
    SUPERSAMPLING,
    Scene,
    SceneSet,
    draw_ground,
    vary,
)

HARD_MAX_COUNT = 15
# A learner is taught with the others, and asked about these as well.
HELD_OUT_KINDS = KINDS[-2:]
TAUGHT_KINDS = KINDS[:-2]
_MOST_OTHER_KINDS = 2
_MOST_OTHERS = 4  # of each
_RADIUS_PIXELS = (5.5, 8.5)
_SIZES = (0.75, 1.2)
# Of the distance at which two objects would touch: what is below 1 is covered.
_NEAREST = 0.72


def draw_hard_scene(
    random: Random, *, kinds: Sequence[Kind] = KINDS, count: int | None = None
) -> Scene:
    """Asks for one of `kinds`, among objects of any other; the same state of `random` gives the
    same scene, pixel for pixel."""
    count = random.randint(1, HARD_MAX_COUNT) if count is None else count
    kind = random.choice(kinds)
    other_kinds = [one for one in KINDS if one is not kind]
    drawn = [(kind, count)] + [
        (one, random.randint(1, _MOST_OTHERS))
        for one in random.sample(other_kinds, random.randint(0, _MOST_OTHER_KINDS))
    ]
    objects = [one for one, number in drawn for _ in range(number)]
    placed = list(zip(objects, _place(random, len(objects)), strict=True))
    centres = {
        one.plural: tuple(centre for other, (centre, _) in placed if other is one)
        for one, _ in drawn
    }
    return Scene(
        image=_draw(random, placed),
        kind=kind,
        centres=centres[kind.plural],
        question=random.choice(QUESTIONS).format(name=kind.plural),
        others=tuple((one, centres[one.plural]) for one, _ in drawn[1:]),
    )


HARD_SCENES = SceneSet(draw=partial(draw_hard_scene, kinds=TAUGHT_KINDS), max_count=HARD_MAX_COUNT)
SCENES_OF_HELD_OUT_KINDS = SceneSet(
    draw=partial(draw_hard_scene, kinds=HELD_OUT_KINDS), max_count=HARD_MAX_COUNT
)


def _draw(random: Random, placed: list[tuple[Kind, tuple[Point, float]]]) -> Image.Image:
    """In an order of chance, so that any may cover any."""
    canvas = draw_ground(random)
    draw = ImageDraw.Draw(canvas)
    for kind, ((x, y), radius) in random.sample(placed, len(placed)):
        centre = (x * SUPERSAMPLING, y * SUPERSAMPLING)
        pen = Pen(draw, centre, radius * SUPERSAMPLING, random.uniform(-0.35, 0.35))
        kind.draw(pen, vary(random, random.choice(kind.colours)))
    return canvas.resize((IMAGE_SIZE_PIXELS, IMAGE_SIZE_PIXELS), Image.Resampling.BOX)


def _place(random: Random, number: int) -> list[tuple[Point, float]]:
    """Centres and radii of objects that do not leave the image, nor cover each other too far."""
    while True:
        placed: list[tuple[Point, float]] = []
        base_radius = random.uniform(*_RADIUS_PIXELS)
        for _ in range(60 * number):
            radius = base_radius * random.uniform(*_SIZES)
            low, high = radius + 1, IMAGE_SIZE_PIXELS - radius - 1
            x, y = random.uniform(low, high), random.uniform(low, high)
            if all(hypot(x - u, y - v) > _NEAREST * (radius + r) for (u, v), r in placed):
                placed.append(((x, y), radius))
            if len(placed) == number:
                return placed
