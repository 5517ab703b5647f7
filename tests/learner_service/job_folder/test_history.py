from pathlib import Path

from learner_service.job_folder.history import StepHistory


def test_a_resumed_worker_writes_the_later_steps_anew(tmp_path: Path):
    history = StepHistory(tmp_path / "history.jsonl")
    for step in range(1, 5):
        history.append({"step": step, "loss": 0.5})
    with (tmp_path / "history.jsonl").open("a") as file:
        file.write('{"step": 5, "lo')  # a worker was killed here
    history.rewind(2)
    history.append({"step": 3, "loss": 0.25})
    assert [(e["step"], e["loss"]) for e in history.entries()] == [(1, 0.5), (2, 0.5), (3, 0.25)]
