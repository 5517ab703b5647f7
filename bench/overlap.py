"""What sampling ahead brings: real jobs that differ in their staleness alone.

    python -m bench.overlap [--quick]

The learning rate is next to nothing, so that every job samples from the same policy. The first
epoch, in which vision features are computed, is left out.
"""

import tempfile
from pathlib import Path
from statistics import median

from bench.jobs import Stack, running_stack, write_dataset
from bench.report import options, print_json, print_table
from bench.scenes import examples
from tally.learner.v1 import learner_pb2 as pb
from tally.samples.small_policy import POLICY_PATH

_IMAGES, _SIDE_PIXELS = 32, 112
# Prompts of a forward pass, forward passes of a step.
_SHAPES = ((8, 1), (8, 4))
_STALENESS = (0, 1, 2)
_SHOWN = (
    "step_seconds",
    "rollout_seconds",
    "waiting_seconds",
    "learning_seconds",
    "samples_per_second",
    "staleness_mean",
)


def measure(
    stack: Stack, dataset_digest: str, shape: tuple[int, int], staleness: int, steps: int
) -> dict[str, float]:
    """Medians over the last `steps` steps of one job."""
    epoch = _IMAGES // (shape[0] * shape[1])
    spec = pb.JobSpec(
        dataset_digest=dataset_digest,
        train=pb.Training(
            evaluation_share=0,
            config=pb.TrainingConfig(
                num_epochs=10_000,
                max_steps=epoch + steps,
                batch_size=shape[0],
                gradient_accumulation_steps=shape[1],
                learning_rate=1e-12,
                temperature=1.0,
                use_4bit=False,
                max_image_size=_SIDE_PIXELS,
                max_new_tokens=12,
                staleness=staleness,
            ),
            lora=pb.LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0),
        ),
    )
    done = [e.step_done for _, e in stack.run(spec) if e.WhichOneof("event") == "step_done"]
    metrics = [step.metrics for step in done[epoch:]]
    return {name: median(getattr(m, name) for m in metrics) for name in _SHOWN}


def main() -> None:
    chosen = options((__doc__ or "").split("\n", maxsplit=1)[0]).parse_args()
    rows, figures = [], {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_dataset(folder / "data.zip", examples(_IMAGES, _SIDE_PIXELS))
        with running_stack(folder, POLICY_PATH) as stack:
            digest = stack.put(folder / "data.zip")
            for shape in _SHAPES[:1] if chosen.quick else _SHAPES:
                steps = 10 if chosen.quick else 80 // shape[1]
                for staleness in _STALENESS[:2] if chosen.quick else _STALENESS:
                    measured = measure(stack, digest, shape, staleness, steps)
                    label = f"{shape[1]} x {shape[0]} prompts, staleness {staleness}"
                    rows.append([label, *measured.values()])
                    figures[label] = measured
    print_table(["", *_SHOWN], rows)
    print_json("overlap", {"images": _IMAGES, "side_pixels": _SIDE_PIXELS, "group": 8}, figures)


if __name__ == "__main__":
    main()
