"""The bench of the real size, over the small policy: what it watches and what it reports."""

from bench.real_shape import RealShape, run
from tally.samples.small_policy import POLICY_PATH


def test_a_job_through_the_stack_is_watched_beside_preflights_estimate(tmp_path):
    shape = RealShape(
        layers=4,
        precision="float32",
        kept="float32",
        steps=1,
        prompts=2,
        num_generations=4,
        max_new_tokens=8,
        side_pixels=112,
        lora_r=4,
    )
    figures, memory = run(shape, POLICY_PATH, tmp_path)
    [step] = figures.steps
    assert (step["step"], step["skipped_group_rate"]) == (1, 0.0)
    assert step["gradient_norm"] is not None
    assert all(seconds > 0 for seconds in figures.seconds.values())
    for module in ("learner_service.worker.start", "rollout_service"):
        assert memory.highest[module] >= memory.peak(module).resident > 10**8
    assert memory.shared_out > memory.highest["gateway"]
    for name in ("memory", "replica_memory"):
        assert figures.preflight[name]["estimated_bytes"] > 10**8
