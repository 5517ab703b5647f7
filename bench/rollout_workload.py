"""What is sampled to measure rollouts: prompts with images and an adapter, in a blob store."""

import io
from pathlib import Path
from random import Random

import torch
from PIL import Image

from learner_service.blobs.blob_store import BlobStore
from learner_service.clients.rollouts import Prompt
from learner_service.data.prompts import PromptBuilder
from learner_service.policy.adapters import AdapterPublisher
from learner_service.policy.policy import Policy, PolicySettings
from tally.job.settings import LoraConfig
from tally.samples.scenes import draw_scene

LORA = LoraConfig(r=16, lora_alpha=32, lora_dropout=0)


class Workload:
    """The groups that both sides sample: prompts, staged images and one adapter, in `store`."""

    def __init__(self, model: str, groups: int, image_pixels: int, folder: Path) -> None:
        self.store = BlobStore(folder / "blobs")
        policy = Policy(
            PolicySettings(
                source=model,
                device="cpu",
                dtype=torch.float32,
                use_4bit=False,
                seed=0,
                feature_cache_bytes=0,
            ),
            LORA,
        )
        publisher = AdapterPublisher(self.store)
        self.adapter_digest = publisher.publish(policy.model)
        self._builder = PromptBuilder(policy.tokenizer, policy.image_token_id)
        self._grid = policy.image_grid
        self._size = (image_pixels, image_pixels)
        self._prompts = [self._prompt(Random(number)) for number in range(groups)]

    def _prompt(self, random: Random) -> Prompt:
        scene = draw_scene(random)
        file = io.BytesIO()
        scene.image.resize(self._size, Image.Resampling.BICUBIC).save(file, "PNG")
        return Prompt(
            token_ids=tuple(
                self._builder.prompt_ids(scene.question, self._grid.tokens(*self._size))
            ),
            image_digest=self.store.put_bytes(file.getvalue()),
            seed=0,
        )

    def round(self, number: int) -> list[Prompt]:
        """The prompts with seeds of their own."""
        return [
            Prompt(token_ids=p.token_ids, image_digest=p.image_digest, seed=number * 1000 + i)
            for i, p in enumerate(self._prompts)
        ]
