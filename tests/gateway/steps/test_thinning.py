"""Curves in the size that is asked for."""

import pytest

from gateway.steps.thinning import group_neighbours, mean


def thin(steps, max_points):
    return [mean(group) for group in group_neighbours(steps, max_points)]


def test_a_point_is_the_mean_of_its_steps():
    steps = [{"step": step, "loss": float(step), "kl": None} for step in range(1, 6)]
    assert thin(steps, 3) == [
        {"step": 2, "loss": 1.5, "kl": None},
        {"step": 4, "loss": 3.5, "kl": None},
        {"step": 5, "loss": 5.0, "kl": None},
    ]


def test_what_is_not_finite_is_left_out_of_a_mean():
    steps = [{"step": 1, "loss": 1.0}, {"step": 2, "loss": None}, {"step": 3, "loss": 4.0}]
    assert thin(steps, 2)[0] == {"step": 2, "loss": 1.0}


def test_a_point_by_name_is_the_mean_of_each_name():
    parts = [{}, {"exact": 1.0}, {"exact": 3.0, "format": 1.0}, {}, {}]
    steps = [{"step": step, "parts": one} for step, one in enumerate(parts, start=1)]
    assert thin(steps, 2)[0]["parts"] == {"exact": 2.0, "format": 1.0}


@pytest.mark.parametrize("max_points", [1, 2, 3, 7, 10, 11])
def test_there_are_never_more_points_than_asked_for(max_points):
    steps = [{"step": step} for step in range(1, 11)]
    points = thin(steps, max_points)
    assert len(points) <= max_points
    assert points[-1] == {"step": 10}


def test_as_many_as_asked_for_are_left_as_they_are():
    assert list(group_neighbours("abc", 3)) == [("a",), ("b",), ("c",)]


def test_a_step_more_changes_the_last_points_alone():
    before, after = (list(group_neighbours(range(steps), 100)) for steps in (995, 996))
    assert before[:-2] == after[: len(before) - 2]
