"""The recipes of the small policies run, and the one for hard scenes sees what there is."""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch

from tally.samples import pretrain, pretrain_hard
from tally.samples.centre_counts import centre_counts
from tally.samples.hard_scenes import draw_hard_scene
from tally.samples.kinds import KINDS
from tally.samples.small_policy import load_policy


@pytest.mark.parametrize(
    ("main", "options", "phases"),
    [
        (pretrain.main, ["--sight-steps", "1", "--undercount-steps", "1"], ["sight", "undercount"]),
        (pretrain_hard.main, ["--sight-steps", "1", "--answer-steps", "1"], ["sight", "answers"]),
    ],
    ids=["demo", "hard"],
)
def test_a_recipe_runs_for_a_moment(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    main: Callable[[list[str]], None],
    options: list[str],
    phases: list[str],
):
    main([str(tmp_path), *options])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line[0] == "{"]
    assert [row["phase"] for row in rows] == phases
    first, last = (load_policy(tmp_path / phase)[0].state_dict() for phase in phases)
    changed = {name for name in first if not torch.equal(first[name], last[name])}
    assert changed
    assert not any("visual" in name for name in changed)


def test_a_policy_that_sees_is_taught_to_answer_alone(tmp_path: Path):
    pretrain_hard.main([str(tmp_path / "first"), "--sight-steps", "1", "--answer-steps", "1"])
    start = tmp_path / "first" / "sight"
    options = ["--start", str(start), "--sight-steps", "0", "--answer-steps", "1"]
    pretrain_hard.main([str(tmp_path / "second"), *options])
    assert [path.name for path in (tmp_path / "second").iterdir()] == ["answers"]
    first, second = (
        load_policy(path)[0].model.visual.state_dict()
        for path in (start, tmp_path / "second" / "answers")
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_every_centre_is_shared_out_to_the_cells_about_it():
    assert centre_counts([(56.0, 56.0)], 4)[1:3, 1:3] == pytest.approx(np.full((2, 2), 0.25))
    assert centre_counts([(14.0, 42.0)], 4)[1, 0] == 1
    assert centre_counts([(0.0, 112.0)], 8)[7, 0] == 1


def test_patches_hold_all_kinds_cell_by_cell():
    scenes = [draw_hard_scene(Random(seed)) for seed in range(20)]
    counts = pretrain_hard.patch_counts(scenes)
    assert counts.shape == (20, 64, len(KINDS))
    for scene, of_scene in zip(scenes, counts.numpy(), strict=True):
        for kind, centres in ((scene.kind, scene.centres), *scene.others):
            of_kind = of_scene[:, KINDS.index(kind)]
            assert of_kind.sum() == pytest.approx(len(centres), abs=1e-4)
            grid = centre_counts(centres, 8)
            # The second cell of the first row: patches 2 and 3 of the two rows that it covers.
            assert of_kind[4:8] == pytest.approx(grid[:2, 2:4].flatten())
