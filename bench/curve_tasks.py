"""What the learning curves are those of: a policy, the scenes it is taught with and asked about."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.scenes import Example, examples
from tally.samples.hard_scenes import HARD_SCENES, SCENES_OF_HELD_OUT_KINDS
from tally.samples.scenes import DEMO_SCENES, SceneSet
from tally.samples.small_policy import POLICY_PATH

SIDE_PIXELS = 112
# What `tally.samples.pretrain_hard` made.
HARD_POLICY_PATH = Path(__file__).with_name("hard_policy")


@dataclass(frozen=True, kw_only=True)
class Task:
    """`held_out` are the sets of scenes, by what they hold, that each adapter is asked about."""

    policy_path: Path
    scenes: SceneSet
    images: int
    held_out: Mapping[str, SceneSet]
    held_out_images: int  # of each set
    learning_rate: float
    steps: int
    every: int  # steps between two examinations
    # The exact rate to reach; shares of what can be gained where it is None.
    goal: float | None = None
    # Examinations on either side that a rate is averaged with before a goal counts as reached.
    neighbours: int = 0

    def data(self) -> list[Example]:
        return examples(self.images, SIDE_PIXELS, seed=1, scene_set=self.scenes)

    def questions(self) -> dict[str, list[Example]]:
        return {
            part: examples(self.held_out_images, SIDE_PIXELS, seed=2, scene_set=scenes)
            for part, scenes in self.held_out.items()
        }


TASKS = {
    "demo": Task(
        policy_path=POLICY_PATH,
        scenes=DEMO_SCENES,
        images=300,
        held_out={"held out": DEMO_SCENES},
        held_out_images=216,
        learning_rate=2e-4,
        steps=60,
        every=4,
        goal=0.90,
    ),
    "hard": Task(
        policy_path=HARD_POLICY_PATH,
        scenes=HARD_SCENES,
        images=960,
        held_out={"kinds seen": HARD_SCENES, "kinds unseen": SCENES_OF_HELD_OUT_KINDS},
        held_out_images=256,
        learning_rate=2e-4,
        steps=600,
        every=20,
        neighbours=1,
    ),
}
