"""Sample data in the documented format: a ZIP with `main.csv` and `images/`."""

import csv
import io
import zipfile
from pathlib import Path
from random import Random

from tally.samples.hard_scenes import HARD_SCENES, SCENES_OF_HELD_OUT_KINDS
from tally.samples.scenes import DEMO_SCENES, Scene, SceneSet

COLUMNS = ("images_path", "question", "answer")
SCENES_PER_SEED = 1_000_000
# samples.supervised draws from 999_999_999 upwards. The number stands here a second time because
# importing that module would import torch.
SCENE_SEEDS_END = 1_000_000_000 - 1
LAST_SEED = SCENE_SEEDS_END // SCENES_PER_SEED - 1
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def write_dataset(
    path: Path,
    *,
    scenes: int,
    seed: int,
    first_index: int = 0,
    jpeg: bool = False,
    scene_set: SceneSet = DEMO_SCENES,
) -> None:
    """Writes scenes first_index to first_index + scenes - 1 of `seed`; the same bytes each time.

    Counts go round those of the set. Two seeds share no scene, and none that the small policy has
    seen. Raises ValueError for a seed beyond LAST_SEED or an index beyond SCENES_PER_SEED.
    """
    drawn = [_scene(seed, index, scene_set) for index in range(first_index, first_index + scenes)]
    suffix = "jpg" if jpeg else "png"
    names = [f"scene_{first_index + i:06}.{suffix}" for i in range(scenes)]
    with zipfile.ZipFile(path, "w") as archive:
        _write_entry(archive, "main.csv", _csv(names, drawn), zipfile.ZIP_DEFLATED)
        for name, scene in zip(names, drawn, strict=True):
            content = _encode(scene, "JPEG" if jpeg else "PNG")
            _write_entry(archive, f"images/{name}", content, zipfile.ZIP_STORED)


def write_sample_data(
    folder: Path, *, training: int, held_out: int, seed: int, hard: bool = False
) -> None:
    """Writes `training_data.zip` and `held_out.zip`; no image is in both. Of hard scenes also
    `held_out_kinds.zip`, which asks for kinds that training never asks for.

    `seed` is 0 to (LAST_SEED - 1) // 2: each takes two of write_dataset's, one for either part.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scene_set = HARD_SCENES if hard else DEMO_SCENES
    parts = {"training_data": (training, 2 * seed), "held_out": (held_out, 2 * seed + 1)}
    for name, (scenes, part_seed) in parts.items():
        write_dataset(folder / f"{name}.zip", scenes=scenes, seed=part_seed, scene_set=scene_set)
    if hard:
        write_dataset(
            folder / "held_out_kinds.zip",
            scenes=held_out,
            seed=2 * seed + 1,
            scene_set=SCENES_OF_HELD_OUT_KINDS,
        )


def _scene(seed: int, index: int, scene_set: SceneSet) -> Scene:
    if not 0 <= seed <= LAST_SEED:
        raise ValueError(f"seed {seed} is not in 0 to {LAST_SEED}")
    if not 0 <= index < SCENES_PER_SEED:
        raise ValueError(f"scene {index} is not in 0 to {SCENES_PER_SEED - 1}")
    count = 1 + index % scene_set.max_count
    return scene_set.draw(Random(seed * SCENES_PER_SEED + index), count=count)


def _csv(names: list[str], scenes: list[Scene]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, scene in zip(names, scenes, strict=True):
        writer.writerow((name, scene.question, scene.answer))
    return text.getvalue().encode()


def _encode(scene: Scene, image_format: str) -> bytes:
    content = io.BytesIO()
    options = {"quality": 92} if image_format == "JPEG" else {}
    scene.image.save(content, image_format, **options)
    return content.getvalue()


def _write_entry(archive: zipfile.ZipFile, name: str, content: bytes, compression: int) -> None:
    """Writes one entry with a fixed time and system, so that equal content is equal bytes."""
    entry = zipfile.ZipInfo(name, _ZIP_TIME)
    entry.create_system = 3
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content, compression)
