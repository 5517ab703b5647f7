"""What the fake gateway answers: a comparison, a preflight, samples, a prediction."""

SCORES = {
    "exact_rate": 0.43,
    "within_one_rate": 0.9,
    "median_absolute_count_error": 0.5,
    "mean_absolute_count_error": 0.7,
    "root_mean_square_count_error": 1.1,
    "far_off_rate": 0.01,
    "reward_mean": 0.88,
    "parse_failure_rate": 0.0,
}
ADAPTER_SCORES = SCORES | {"exact_rate": 0.96}
GIVEN = {"text": "A photo of 4 apples", "count": 4, "difference": 5, "reward": 0.2}
CALIBRATION = {
    "expected_calibration_error": 0.125,
    "bins": [
        {
            "from_probability": 0.9,
            "to_probability": 1.0,
            "num_answers": 210,
            "mean_probability": 0.95,
            "exact_rate": 0.9,
        }
    ],
    "abstention": [
        {"abstain_below": 0.95, "answered_rate": 0.8, "exact_rate": 0.97},
        {"abstain_below": 0.99, "answered_rate": 0.0, "exact_rate": None},
    ],
}
EVALUATION = {
    "num_samples": 216,
    "base": SCORES | {"intervals": {"exact_rate": [0.36, 0.5]}},
    "adapter": ADAPTER_SCORES | {"intervals": {"exact_rate": [0.93, 0.98]}},
    "difference": {"exact_rate": 0.53, "intervals": {"exact_rate": [0.46, 0.6]}},
    "interval": {"confidence": 0.95, "resamples": 10_000, "seed": 43},
    "by_count": [{"label": "9", "num_samples": 14, "base": SCORES, "adapter": ADAPTER_SCORES}],
    "by_kind": [{"label": "apples", "num_samples": 40, "base": SCORES, "adapter": ADAPTER_SCORES}],
    "matrix": {
        "true_labels": ["9"],
        "answer_labels": ["4", "9", "no count"],
        "base": [[6, 7, 1]],
        "adapter": [[1, 13, 0]],
    },
    "calibration": {"base": CALIBRATION, "adapter": CALIBRATION},
    "warnings": ["the adapter answers 4 in 93 % of the images"],
    "worst": [
        {
            "row": 17,
            "question": "How many\napples?",
            "true_count": 9,
            "base": GIVEN | {"text": "no idea", "count": None},
            "adapter": GIVEN,
        }
    ],
    "held_out": None,
    "file_id": "file-1",
}
PREFLIGHT = {
    "ok": True,
    "findings": [
        {
            "severity": "warning",
            "code": "no_variety",
            "where": "training_config.temperature",
            "message": "nearly all groups answer alike",
            "suggestion": {"training_config": {"temperature": 1.0}, "evaluation_share": 0.2},
        }
    ],
    "data": {
        "rows": 500,
        "images": 498,
        "training_rows": 450,
        "held_out_rows": 50,
        "counts": [{"count": 1, "rows": 412}, {"count": 2, "rows": 88}],
        "kinds": [{"kind": "apples", "rows": 500}],
    },
    "base": SCORES | {"num_samples": 32, "varied_group_rate": 0.5, "any_right_rate": 0.8},
    "prompt_example": "<user>\n<image>How many apples?\x1b[2J",
    "steps": {"steps_per_epoch": 57, "total_steps": 2850, "completions_per_step": 64},
    "memory": {
        "device": "cuda",
        "estimated_bytes": 9 * 2**30,
        "available_bytes": 24 * 2**30,
        "loading_bytes": 4 * 2**30,
        "parts": {"weights": 3 * 2**30, "adapter": 2 * 2**30, "activations": 4 * 2**30},
    },
    "time": {"seconds": 17100.0, "seconds_per_step": 6.0, "basis": "the steps of an earlier job"},
}
SAMPLES = {
    "job_id": "job-1",
    "file_id": "file-1",
    "steps": [
        {
            "step": 3,
            "groups": [
                {
                    "row": 17,
                    "question": "How many apples?",
                    "true_count": 3,
                    "answers": [
                        {"text": "A photo of\n3 apples\x1b[2J", "count": 3, "reward": 1.0},
                        {"text": "many apples", "count": None, "reward": None},
                    ],
                }
            ],
        }
    ],
}
PREDICTION = {
    "question": "How many apples?",
    "job_id": "job-1",
    "base": {"text": "many apples", "count": None, "explanation": "no number in it"},
    "adapter": {"text": "A photo of 5 apples", "count": 5, "explanation": None},
}
REWARDS = [
    {"name": "exact", "description": "1 for the true count.", "package": None, "fault": None},
    {
        "name": "short",
        "description": "The shorter,\nthe better\x1b[2J.",
        "package": "a 1",
        "fault": None,
    },
    {"name": "lost", "description": "", "package": "b 2", "fault": "cannot be loaded: KeyError"},
]
