"""Synthetic counting scenes: one kind of object, 1 to 9 of them, on a plain or patterned ground."""

from collections.abc import Callable
from dataclasses import dataclass
from math import hypot
from random import Random

from PIL import Image, ImageDraw

from tally.samples.kinds import KINDS, Colour, Kind, Pen, Point

IMAGE_SIZE_PIXELS = 112
MAX_COUNT = 9
SUPERSAMPLING = 3
_RADIUS_PIXELS = (9.0, 13.0)
_GAP_PIXELS = 2.0

QUESTIONS = (
    "How many {name} are in this image?",
    "Count the {name} in the picture",
    "How many {name} do you see?",
    "Count the number of {name}",
)
_GROUNDS: tuple[Colour, ...] = (
    (248, 246, 240),
    (226, 236, 246),
    (234, 244, 226),
    (246, 232, 222),
    (216, 214, 222),
    (58, 62, 74),
    (40, 66, 60),
)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """An image with `len(centres)` objects of a kind, and the question that asks for them; `others`
    are those of other kinds, each kind with its own.

    Centres are pixel coordinates (x, y) in an image of IMAGE_SIZE_PIXELS squared.
    """

    image: Image.Image
    kind: Kind
    centres: tuple[Point, ...]
    question: str
    others: tuple[tuple[Kind, tuple[Point, ...]], ...] = ()

    @property
    def count(self) -> int:
        return len(self.centres)

    @property
    def answer(self) -> str:
        return answer_text(self.count, self.kind)


@dataclass(frozen=True, kw_only=True)
class SceneSet:
    """`draw` makes a scene from a Random and a `count` of 1 to `max_count`."""

    draw: Callable[..., Scene]
    max_count: int


def answer_text(count: int, kind: Kind) -> str:
    return f"A photo of {count} {kind.name(count)}"


def draw_scene(random: Random, *, count: int | None = None) -> Scene:
    """Draws one scene; the same state of `random` gives the same scene, pixel for pixel."""
    count = random.randint(1, MAX_COUNT) if count is None else count
    kind = random.choice(KINDS)
    placed = _place(random, count)
    canvas = draw_ground(random)
    colour = random.choice(kind.colours)
    draw = ImageDraw.Draw(canvas)
    for (x, y), radius in placed:
        centre = (x * SUPERSAMPLING, y * SUPERSAMPLING)
        pen = Pen(draw, centre, radius * SUPERSAMPLING, random.uniform(-0.35, 0.35))
        kind.draw(pen, vary(random, colour))
    return Scene(
        image=canvas.resize((IMAGE_SIZE_PIXELS, IMAGE_SIZE_PIXELS), Image.Resampling.BOX),
        kind=kind,
        centres=tuple(centre for centre, _ in placed),
        question=random.choice(QUESTIONS).format(name=kind.plural),
    )


DEMO_SCENES = SceneSet(draw=draw_scene, max_count=MAX_COUNT)


def _place(random: Random, count: int) -> list[tuple[Point, float]]:
    """Centres and radii of `count` objects that neither touch each other nor leave the image."""
    while True:
        placed: list[tuple[Point, float]] = []
        base_radius = random.uniform(*_RADIUS_PIXELS)
        for _ in range(60 * count):
            radius = base_radius * random.uniform(0.88, 1.0)
            low, high = radius + 1, IMAGE_SIZE_PIXELS - radius - 1
            x, y = random.uniform(low, high), random.uniform(low, high)
            if all(hypot(x - u, y - v) > radius + r + _GAP_PIXELS for (u, v), r in placed):
                placed.append(((x, y), radius))
            if len(placed) == count:
                return placed


def draw_ground(random: Random) -> Image.Image:
    """A ground of one colour, with stripes, with dots, or with neither."""
    side = IMAGE_SIZE_PIXELS * SUPERSAMPLING
    colour = vary(random, random.choice(_GROUNDS))
    canvas = Image.new("RGB", (side, side), colour)
    draw = ImageDraw.Draw(canvas)
    pattern_colour = vary(random, colour, spread=16)
    pattern = random.choice(("plain", "stripes", "dots"))
    step = random.randint(24, 60)
    if pattern == "stripes":
        for x in range(0, side, step):
            draw.rectangle((x, 0, x + step // 2, side), fill=pattern_colour)
    elif pattern == "dots":
        for x in range(0, side, step):
            for y in range(0, side, step):
                draw.ellipse((x, y, x + 9, y + 9), fill=pattern_colour)
    return canvas


def vary(random: Random, colour: Colour, spread: int = 14) -> Colour:
    """A colour near by: each of its channels at most `spread` away."""
    red, green, blue = (min(255, max(0, c + random.randint(-spread, spread))) for c in colour)
    return (red, green, blue)
