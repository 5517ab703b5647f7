"""The kinds of object a counting scene can hold, each a drawing in a unit square."""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi, sin

from PIL import ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]


class Pen:
    """Draws in coordinates of one object: (-1, -1) is its top left, (1, 1) its bottom right."""

    def __init__(
        self, draw: ImageDraw.ImageDraw, centre: Point, radius: float, angle: float
    ) -> None:
        self._draw = draw
        self._centre = centre
        self._radius = radius
        self._angle = angle

    def polygon(self, points: list[Point], colour: Colour) -> None:
        self._draw.polygon([self._place(point) for point in points], fill=colour)

    def ellipse(self, centre: Point, width: float, height: float, colour: Colour) -> None:
        corners = [(width * cos(t * pi / 16), height * sin(t * pi / 16)) for t in range(32)]
        self.polygon([(centre[0] + x, centre[1] + y) for x, y in corners], colour)

    def line(self, start: Point, end: Point, width: float, colour: Colour) -> None:
        pixels = max(1, round(width * self._radius))
        self._draw.line([self._place(start), self._place(end)], fill=colour, width=pixels)

    def _place(self, point: Point) -> Point:
        x, y = point
        turned_x = x * cos(self._angle) - y * sin(self._angle)
        turned_y = x * sin(self._angle) + y * cos(self._angle)
        return (
            self._centre[0] + self._radius * turned_x,
            self._centre[1] + self._radius * turned_y,
        )


@dataclass(frozen=True)
class Kind:
    """One kind of object: its name in both numbers, the colours it comes in, its drawing."""

    singular: str
    plural: str
    colours: tuple[Colour, ...]
    draw: Callable[[Pen, Colour], None]

    def name(self, count: int) -> str:
        return self.singular if count == 1 else self.plural


def darker(colour: Colour, factor: float = 0.6) -> Colour:
    red, green, blue = colour
    return (round(red * factor), round(green * factor), round(blue * factor))


def _apple(pen: Pen, colour: Colour) -> None:
    pen.ellipse((-0.3, 0.15), 0.65, 0.8, colour)
    pen.ellipse((0.3, 0.15), 0.65, 0.8, colour)
    pen.line((0.0, -0.5), (0.1, -0.95), 0.15, (94, 62, 30))
    pen.ellipse((0.4, -0.75), 0.3, 0.15, (70, 150, 60))


def _orange(pen: Pen, colour: Colour) -> None:
    pen.ellipse((0.0, 0.0), 0.95, 0.95, colour)
    pen.ellipse((-0.3, -0.35), 0.2, 0.15, (255, 214, 150))
    pen.ellipse((0.05, -0.85), 0.15, 0.12, (70, 130, 50))


def _star(pen: Pen, colour: Colour) -> None:
    radii = [1.0, 0.42] * 5
    pen.polygon([(r * sin(i * pi / 5), -r * cos(i * pi / 5)) for i, r in enumerate(radii)], colour)


def _heart(pen: Pen, colour: Colour) -> None:
    pen.ellipse((-0.42, -0.3), 0.5, 0.5, colour)
    pen.ellipse((0.42, -0.3), 0.5, 0.5, colour)
    pen.polygon([(-0.88, -0.1), (0.88, -0.1), (0.0, 0.95)], colour)


def _car(pen: Pen, colour: Colour) -> None:
    pen.polygon([(-0.55, -0.1), (-0.3, -0.6), (0.35, -0.6), (0.6, -0.1)], darker(colour, 0.75))
    pen.polygon([(-1.0, -0.1), (1.0, -0.1), (1.0, 0.4), (-1.0, 0.4)], colour)
    pen.polygon([(-0.4, -0.12), (-0.22, -0.48), (0.0, -0.48), (0.0, -0.12)], (210, 232, 245))
    pen.ellipse((-0.5, 0.42), 0.27, 0.27, (30, 30, 34))
    pen.ellipse((0.5, 0.42), 0.27, 0.27, (30, 30, 34))


def _fish(pen: Pen, colour: Colour) -> None:
    pen.polygon([(0.35, 0.0), (1.0, -0.5), (1.0, 0.5)], darker(colour, 0.75))
    pen.ellipse((-0.2, 0.0), 0.78, 0.5, colour)
    pen.ellipse((-0.6, -0.12), 0.12, 0.12, (20, 20, 24))


def _balloon(pen: Pen, colour: Colour) -> None:
    pen.line((0.0, 0.5), (0.1, 1.0), 0.08, (90, 90, 96))
    pen.ellipse((0.0, -0.2), 0.68, 0.8, colour)
    pen.polygon([(-0.15, 0.7), (0.15, 0.7), (0.0, 0.5)], darker(colour))
    pen.ellipse((-0.25, -0.5), 0.15, 0.2, (250, 250, 250))


def _cup(pen: Pen, colour: Colour) -> None:
    pen.ellipse((0.6, 0.0), 0.38, 0.42, darker(colour, 0.75))
    pen.polygon([(-0.85, -0.7), (0.65, -0.7), (0.45, 0.8), (-0.65, 0.8)], colour)
    pen.ellipse((-0.1, -0.7), 0.75, 0.2, darker(colour, 0.5))


_RED, _GREEN, _BLUE = (206, 44, 44), (66, 158, 68), (48, 98, 204)
_YELLOW, _PURPLE, _TEAL = (240, 194, 30), (138, 66, 176), (26, 152, 158)
_ORANGE, _PINK = (242, 132, 24), (234, 92, 148)

KINDS: tuple[Kind, ...] = (
    Kind("apple", "apples", (_RED, _GREEN, _YELLOW), _apple),
    Kind("orange", "oranges", (_ORANGE, (250, 156, 48)), _orange),
    Kind("star", "stars", (_YELLOW, _ORANGE, _PURPLE, _RED), _star),
    Kind("heart", "hearts", (_RED, _PINK, _PURPLE), _heart),
    Kind("car", "cars", (_RED, _BLUE, _GREEN, _YELLOW, _TEAL), _car),
    Kind("fish", "fish", (_ORANGE, _TEAL, _BLUE, _PINK), _fish),
    Kind("balloon", "balloons", (_RED, _BLUE, _GREEN, _PURPLE, _PINK), _balloon),
    Kind("cup", "cups", (_BLUE, _TEAL, _PURPLE, _GREEN), _cup),
)
