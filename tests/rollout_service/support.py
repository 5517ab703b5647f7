"""What the rollout tests share: prompts, pictures, adapters, a service, and the reference model."""

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from PIL import Image
from safetensors.torch import save
from transformers import AutoModelForImageTextToText, AutoTokenizer

from rollout_service.blobs.blob_cache import BlobCache
from rollout_service.metrics import RolloutMetrics
from rollout_service.servicer import SERVICE_NAME, RolloutServicer
from rollout_service.settings import RolloutSettings
from tally.families.grid import ImageGrid
from tally.families.qwen2_5_vl import QWEN2_5_VL
from tally.families.registry import read_config
from tally.rollout.v1 import rollout_pb2, rollout_pb2_grpc
from tally.rpc.blobs import IDEMPOTENT_METHODS, BlobClient
from tally.rpc.channel import open_channel
from tally.rpc.digests import digest_of
from tally.rpc.server import RpcServer
from tally.rpc.settings import ClientSettings, ServerSettings
from tally.sampling.engine import Completion, Engine, LocalBlob
from tally.sampling.model import barred_token_ids, stop_token_ids
from tests.fakes.blob_store import FakeBlobStore, running_blob_store

IMAGE_TOKENS = 16  # of a picture of 112 x 112 px
LORA_TARGETS = QWEN2_5_VL.lora_targets


def png(seed: int = 0, size: tuple[int, int] = (112, 112), mode: str = "RGB") -> bytes:
    width, height = size
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, "PNG")
    return file.getvalue()


def local_blob(folder: Path, data: bytes) -> LocalBlob:
    path = folder / digest_of(data)
    path.write_bytes(data)
    return LocalBlob(digest=path.name, path=path)


class Reference:
    """The model in a folder as transformers itself runs it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        _, self.family = read_config(str(path))
        self.tokenizer: Any = AutoTokenizer.from_pretrained(path)
        self.processor = self.family.load_image_processor(str(path))
        self.model = self._load()

    def _load(self) -> Any:
        return AutoModelForImageTextToText.from_pretrained(self.path, dtype=torch.float32).eval()

    @property
    def grid(self) -> ImageGrid:
        return self.family.grid(self.model.config, self.processor)

    @cached_property
    def barred(self) -> list[int]:
        stop = stop_token_ids(self.model, self.tokenizer)
        return list(barred_token_ids(self.tokenizer, stop, self.model.lm_head.out_features))

    def prompt(
        self, question: str = "How many stars?", image_tokens: int = IMAGE_TOKENS
    ) -> list[int]:
        picture = "<|vision_start|>" + self.family.image_token * image_tokens + "<|vision_end|>"
        text = f"<|im_start|>user\n{picture}{question}<|im_end|>\n<|im_start|>assistant\n"
        return self.tokenizer(text)["input_ids"]

    def adapted(self, seed: int, targets: Any = LORA_TARGETS, rank: int = 4) -> PeftModel:
        """A fresh copy of the model with a random adapter of some strength."""
        torch.manual_seed(seed)
        config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=targets)
        peft_model = get_peft_model(self._load(), config).eval()
        with torch.no_grad():
            for name, parameter in peft_model.named_parameters():
                if "lora_" in name:
                    parameter.normal_(std=0.1)
        return peft_model

    def adapted_by(self, folder: Path) -> PeftModel:
        """A fresh copy of the model with the adapter in `folder`, by PEFT."""
        return PeftModel.from_pretrained(self._load(), folder).eval()

    def inputs(self, token_ids: list[int], image: bytes) -> dict[str, torch.Tensor]:
        ids = torch.tensor([token_ids])
        pixels = self.processor(images=[Image.open(io.BytesIO(image))], return_tensors="pt")
        types = (ids == self.family.image_token_id(self.model.config)).int()
        return {"input_ids": ids, "mm_token_type_ids": types, **pixels}

    def greedy(self, model: Any, prompt: list[int], image: bytes, tokens: int) -> list[int]:
        output = model.generate(
            **self.inputs(prompt, image),
            do_sample=False,
            max_new_tokens=tokens,
            suppress_tokens=self.barred,
        )
        return output[0, len(prompt) :].tolist()

    @torch.no_grad()
    def logps(
        self,
        model: Any,
        prompt: list[int],
        image: bytes,
        completion: Completion,
        temperature: float,
    ) -> list[float]:
        """Log-probabilities of one completion by one whole forward without a cache."""
        ids = [*prompt, *completion.token_ids]
        logits = model(**self.inputs(ids, image)).logits[0, len(prompt) - 1 : -1]
        logits[:, self.barred] = -torch.inf
        logps = torch.log_softmax(logits / temperature, dim=-1)
        return logps.gather(1, torch.tensor(completion.token_ids)[:, None])[:, 0].tolist()


def adapter_config(**changes: Any) -> dict[str, Any]:
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": 4,
        "lora_alpha": 8,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": LORA_TARGETS,
    }
    return config | changes


def adapter_bytes(tensors: dict[str, torch.Tensor], config: Any) -> bytes:
    return save(tensors, metadata={"adapter_config": json.dumps(config)})


def adapter_of(model: PeftModel, **changes: Any) -> bytes:
    peft_config = model.peft_config["default"]
    fields = {"r": peft_config.r, "lora_alpha": peft_config.lora_alpha}
    return adapter_bytes(adapter_tensors(model), adapter_config(**(fields | changes)))


def adapter_tensors(model: PeftModel) -> dict[str, torch.Tensor]:
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    return {name: tensor.detach().contiguous() for name, tensor in state.items()}


@dataclass(frozen=True, kw_only=True)
class Service:
    """A running service with its blob store, and a stub that calls it."""

    engine: Engine
    stub: rollout_pb2_grpc.RolloutServiceStub
    store: FakeBlobStore
    cache_folder: Path
    metrics: RolloutMetrics


@asynccontextmanager
async def running_service(engine: Engine, folder: Path, **changes: Any) -> AsyncIterator[Service]:
    """`engine` may be loaded already; its `load` is called once more."""
    async with running_blob_store() as (store, target):
        changes = {"max_waiting_completions": 1024} | changes
        settings = RolloutSettings(blob=ClientSettings(target=target), **changes)
        async with open_channel(settings.blob, idempotent_methods=IDEMPOTENT_METHODS) as channel:
            blobs = BlobCache(folder, settings.cache_bytes, BlobClient(channel))
            servicer = RolloutServicer(settings, engine, blobs)
            await servicer.load()
            server = _server(servicer)
            await server.start()
            async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as caller:
                stub = rollout_pb2_grpc.RolloutServiceStub(caller)
                yield Service(
                    engine=engine,
                    stub=stub,
                    store=store,
                    cache_folder=folder,
                    metrics=servicer.metrics,
                )
            await server.stop(0)
            blobs.close()


def _server(servicer: RolloutServicer) -> RpcServer:
    return RpcServer(
        ServerSettings(),
        service_names=[SERVICE_NAME],
        register=lambda s: rollout_pb2_grpc.add_RolloutServiceServicer_to_server(servicer, s),
    )


def generate_request(prompt: list[int], **changes: Any) -> rollout_pb2.GenerateRequest:
    """A good request; `changes` are fields of it or of its sampling parameters."""
    sampling = {"temperature": 1.0, "max_new_tokens": 5}
    sampling |= {
        k: changes.pop(k) for k in ("temperature", "max_new_tokens", "seed") if k in changes
    }
    fields = {"prompt_token_ids": prompt, "num_completions": 2} | changes
    return rollout_pb2.GenerateRequest(
        **fields, sampling=rollout_pb2.SamplingParameters(**sampling)
    )


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    """The status and details that `call` ends with; fails if it succeeds."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code(), error.details()
    raise AssertionError("the call succeeded")
