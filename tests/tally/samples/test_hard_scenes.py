from collections import Counter
from math import hypot
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tally.samples.hard_scenes import (
    HARD_MAX_COUNT,
    HELD_OUT_KINDS,
    TAUGHT_KINDS,
    draw_hard_scene,
)
from tally.samples.kinds import KINDS
from tally.samples.scenes import IMAGE_SIZE_PIXELS, Scene

SCENES = [draw_hard_scene(Random(seed)) for seed in range(150)]


def all_centres(scene: Scene) -> list[tuple[float, float]]:
    return [*scene.centres, *(centre for _, centres in scene.others for centre in centres)]


@given(st.integers(0, 10**9))
def test_a_seed_gives_the_same_scene(seed: int):
    first, second = (draw_hard_scene(Random(seed)) for _ in range(2))
    assert first.image.tobytes() == second.image.tobytes()
    assert (first.question, first.answer) == (second.question, second.answer)


def test_the_count_is_that_of_the_kind_that_is_asked_for():
    assert {scene.count for scene in SCENES} == set(range(1, HARD_MAX_COUNT + 1))
    for scene in SCENES:
        assert scene.kind.plural in scene.question
        assert scene.answer.startswith(f"A photo of {len(scene.centres)} ")
    assert draw_hard_scene(Random(3), count=12).count == 12


def test_other_kinds_stand_about():
    numbers = Counter(len(scene.others) for scene in SCENES)
    assert set(numbers) == {0, 1, 2}
    for scene in SCENES:
        kinds = [scene.kind, *(kind for kind, _ in scene.others)]
        assert len(set(kinds)) == len(kinds)
        assert all(1 <= len(centres) <= 4 for _, centres in scene.others)


def test_objects_stay_in_the_image_and_are_never_hidden():
    nearest = []
    for scene in SCENES:
        centres = all_centres(scene)
        assert all(0 < side < IMAGE_SIZE_PIXELS for centre in centres for side in centre)
        nearest += [
            hypot(x - u, y - v)
            for number, (x, y) in enumerate(centres)
            for u, v in centres[:number]
        ]
    # Radii are 4.1 to 10.2 pixels: some overlap, and none has its centre covered.
    assert 5 < min(nearest) < 8


def test_kinds_that_are_held_out_are_asked_for_in_scenes_of_their_own():
    assert not set(TAUGHT_KINDS) & set(HELD_OUT_KINDS)
    assert set(TAUGHT_KINDS) | set(HELD_OUT_KINDS) == set(KINDS)
    for kinds in (TAUGHT_KINDS, HELD_OUT_KINDS):
        asked = {draw_hard_scene(Random(seed), kinds=kinds).kind for seed in range(60)}
        assert asked == set(kinds)
