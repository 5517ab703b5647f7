"""The peak memory of one learner or replica while it loads and while it works, in its own process:
`python -m bench.memory_case '{"side": "learner", "folder": …}'`.
"""

import asyncio
import json
import math
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.peak_memory import PeakMemory
from bench.report import print_json
from bench.scenes import examples
from tally.rpc.digests import digest_of_file

_FIRST_WORD = 20  # of the ids that completions are made of
_STEPS = 2  # the second has the optimizer's state from the start


@dataclass(frozen=True, kw_only=True)
class MemoryCase:
    """What is loaded, and what a step works on; `precision` is float32, bfloat16 or 4bit.

    With 4bit what is not quantised is in `kept`. `folder` is the model's; before it is written,
    the name of its shape. `sharded_over`: learners that hold the base's layers in parts.
    """

    side: str
    folder: str
    precision: str = "float32"
    kept: str = "float32"
    side_pixels: int = 504
    num_generations: int = 8
    max_new_tokens: int = 32
    batch_size: int = 1
    lora_r: int = 64
    lora_dropout: float = 0.05
    gradient_checkpointing: bool = False
    sharded_over: int = 1
    device: str = "cpu"

    @property
    def use_4bit(self) -> bool:
        return self.precision == "4bit"

    @property
    def dtype(self) -> str:
        return self.kept if self.use_4bit else self.precision


@dataclass(frozen=True, kw_only=True)
class CaseFigures:
    """Bytes resident: before anything is loaded, at the peak of loading and of the steps."""

    libraries: int
    loading: int
    step: int
    prompt_tokens: int


def measure_learner(case: MemoryCase, folder: Path) -> CaseFigures:
    import learner_service.worker.worker  # noqa: F401, PLC0415 - all that a worker imports
    from bench.tally_side import TallySettings, TallySide  # noqa: PLC0415 - its memory counts
    from learner_service.blobs.blob_store import BlobStore  # noqa: PLC0415 - as above
    from learner_service.policy.adapters import AdapterPublisher  # noqa: PLC0415
    from learner_service.ranks import Ranks  # noqa: PLC0415

    settings = TallySettings(
        model_path=Path(case.folder),
        num_generations=case.num_generations,
        prompts_per_pass=case.batch_size,
        max_new_tokens=case.max_new_tokens,
        lora_r=case.lora_r,
        lora_alpha=2 * case.lora_r,
        lora_dropout=case.lora_dropout,
        dtype=case.dtype,
        use_4bit=case.use_4bit,
        gradient_checkpointing=case.gradient_checkpointing,
        sharded=case.sharded_over > 1,
        device=case.device,
    )
    ranks = Ranks.join()
    loading = PeakMemory(case.device)
    tally = TallySide(settings, folder, ranks)
    loaded = loading.figures()
    batch = tally.forward_pass(
        *_learner_batch(case, len(tally.policy.head_V_H), tally.policy.image_token_id)
    )
    publisher = AdapterPublisher(BlobStore(folder / "blobs"))
    working = PeakMemory(case.device)
    for _ in range(_STEPS):
        publisher.publish(tally.policy.model)
        tally.learn(batch)
    return CaseFigures(
        libraries=loaded.rest,
        loading=loaded.peak,
        step=working.figures().peak,
        prompt_tokens=len(batch.groups[0].prompt_ids),
    )


def _learner_batch(case: MemoryCase, vocabulary: int, image_token_id: int) -> tuple[Any, Any, Any]:
    """Examples, completions that have nothing in common, and advantages."""
    import torch  # noqa: PLC0415 - after the side's own libraries

    shape = (case.batch_size, case.num_generations, case.max_new_tokens)
    known = torch.arange(_FIRST_WORD, vocabulary)
    known = known[known != image_token_id]
    words = known[torch.arange(math.prod(shape)) % len(known)]
    advantages = torch.linspace(-1, 1, case.batch_size * case.num_generations)
    pictures = examples(case.batch_size, case.side_pixels)
    return pictures, words.view(shape).tolist(), advantages.view(shape[:2])


def measure_replica(case: MemoryCase, folder: Path) -> CaseFigures:
    import rollout_service.__main__  # noqa: F401, PLC0415 - all that a replica imports
    from rollout_service.settings import RolloutSettings  # noqa: PLC0415 - its memory counts
    from rollout_service.torch_replica import torch_engine  # noqa: PLC0415 - as above

    settings = RolloutSettings(
        model=case.folder, dtype=case.dtype, use_4bit=case.use_4bit, device=case.device
    )
    engine = torch_engine(settings)
    loading = PeakMemory(case.device)

    async def run() -> CaseFigures:
        await engine.load()
        loaded = loading.figures()
        requests = _Requests(case, folder)
        working = PeakMemory(case.device)
        # As many adapters as are kept; a token each is enough for all but the last.
        last = settings.max_resident_adapters - 1
        for number in range(last + 1):
            max_new_tokens = case.max_new_tokens if number == last else 1
            await asyncio.gather(*map(engine.generate, requests.step(number, max_new_tokens)))
        figures = working.figures()
        await engine.close()
        return CaseFigures(
            libraries=loaded.rest,
            loading=loaded.peak,
            step=figures.peak,
            prompt_tokens=requests.prompt_tokens,
        )

    return asyncio.run(run())


class _Requests:
    """What a job's steps ask of a replica: an adapter for each step, an image for each prompt."""

    def __init__(self, case: MemoryCase, folder: Path) -> None:
        self._case = case
        self._folder = folder
        self._prompt = _prompt(case.folder, case.side_pixels)
        self._images = [self._write_image(number) for number in range(case.batch_size)]

    @property
    def prompt_tokens(self) -> int:
        return len(self._prompt)

    def step(self, number: int, max_new_tokens: int) -> Iterator[Any]:
        from tally.sampling.engine import GenerationRequest, LocalBlob  # noqa: PLC0415

        adapter = self._write_adapter(number)
        for seed, image in enumerate(self._images):
            yield GenerationRequest(
                prompt_token_ids=self._prompt,
                num_completions=self._case.num_generations,
                temperature=1.0,
                max_new_tokens=max_new_tokens,
                seed=seed,
                image=LocalBlob(digest=digest_of_file(image), path=image),
                adapter=LocalBlob(digest=digest_of_file(adapter), path=adapter),
            )

    def _write_image(self, number: int) -> Path:
        path = self._folder / f"{number}.png"
        [example] = examples(1, self._case.side_pixels, seed=number)
        example.image.save(path)
        return path

    def _write_adapter(self, number: int) -> Path:
        import torch  # noqa: PLC0415 - as above
        from safetensors.torch import save_file  # noqa: PLC0415

        from tally.families.registry import read_config  # noqa: PLC0415

        config, family = read_config(self._case.folder)
        shape = family.shape(config)
        names = vars(family.projections).values()
        dtype, rank = getattr(torch, self._case.dtype), self._case.lora_r
        generator = torch.Generator().manual_seed(number)
        tensors = {}
        for layer in range(shape.layers):
            for path, (inputs, outputs) in zip(names, shape.projections, strict=True):
                name = f"base_model.model.{family.language_model_path}.layers.{layer}.{path}"
                for part, size in (("A", (rank, inputs)), ("B", (outputs, rank))):
                    drawn = torch.empty(size, dtype=dtype).normal_(0, 0.001, generator=generator)
                    tensors[f"{name}.lora_{part}.weight"] = drawn
        path = self._folder / f"adapter-{number}.safetensors"
        fields = {
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "r": rank,
            "lora_alpha": 2 * rank,
            "bias": "none",
            "target_modules": family.lora_targets,
        }
        save_file(tensors, path, metadata={"adapter_config": json.dumps(fields)})
        return path


def _prompt(folder: str, side_pixels: int) -> tuple[int, ...]:
    """The question about an image of this side, its placeholder once for each of its tokens."""
    from transformers import AutoTokenizer  # noqa: PLC0415 - as above

    from tally.families.registry import read_config  # noqa: PLC0415 - as above

    content = [{"type": "image"}, {"type": "text", "text": "How many circles are there?"}]
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
    )
    _, family = read_config(folder)
    tokens = (side_pixels // 28) ** 2
    with_tokens = text.replace(family.image_token, family.image_token * tokens)
    return tuple(tokenizer(with_tokens)["input_ids"])


def main() -> None:
    case = MemoryCase(**json.loads(sys.argv[1]))
    with tempfile.TemporaryDirectory() as folder:
        measure = measure_learner if case.side == "learner" else measure_replica
        print_json("memory_case", asdict(case), asdict(measure(case, Path(folder))))


if __name__ == "__main__":
    main()
