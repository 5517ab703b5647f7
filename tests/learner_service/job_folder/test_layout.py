"""A job's folder as a whole."""

import json
from pathlib import Path

from learner_service.job_folder.layout import JobFolder


def folder_with_a_checkpoint(data_dir: Path) -> JobFolder:
    folder = JobFolder.of_job(data_dir, "earlier")
    staged = folder.staging / "checkpoint-3"
    staged.mkdir(parents=True)
    (staged / "trainer_state.json").write_text(json.dumps({"global_step": 3}))
    folder.checkpoints.commit(staged)
    folder.split.rows(lambda: [2, 5])
    folder.history.append({"step": 3, "loss": 0.5})
    folder.adapters.add("a" * 64)
    return folder


def test_a_job_goes_on_with_what_the_earlier_one_has(tmp_path: Path):
    earlier = folder_with_a_checkpoint(tmp_path)
    later = JobFolder.of_job(tmp_path, "later")
    later.prepare(earlier, earlier.checkpoints.path_of(3))
    assert later.checkpoints.find_last().step == 3
    assert later.split.rows(list) == [2, 5]
    assert later.history.entries() == [{"step": 3, "loss": 0.5}]
    assert later.adapters.digests() == []


def test_the_best_checkpoint_before_it_comes_along(tmp_path: Path):
    earlier = JobFolder.of_job(tmp_path, "earlier")
    for step, exact_rate in ((3, 0.5), (5, 0.25), (8, 0.75)):
        staged = earlier.staging / f"checkpoint-{step}"
        staged.mkdir(parents=True)
        (staged / "trainer_state.json").write_text("{}")
        earlier.checkpoints.commit(staged)
        earlier.history.append({"step": step, "eval_exact_rate": exact_rate})
    later = JobFolder.of_job(tmp_path, "later")
    later.prepare(earlier, earlier.checkpoints.path_of(5))
    assert {path.name for path in later.checkpoints.path.iterdir()} == {
        "checkpoint-3",
        "checkpoint-5",
    }
    assert later.best_checkpoint(later.checkpoints.path_of(5)) == later.checkpoints.path_of(3)


def test_the_layout_is_what_older_jobs_have(tmp_path: Path):
    folder = folder_with_a_checkpoint(tmp_path)
    names = {path.name for path in (tmp_path / "jobs" / "earlier").iterdir()}
    assert names == {"staging", "checkpoints", "held_out.json", "history.jsonl", "published.txt"}
    assert folder.output.name == "output"
