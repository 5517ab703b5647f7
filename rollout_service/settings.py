"""Settings of the rollout service: environment variables TALLY_ROLLOUT_… or the command line."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import SettingsConfigDict

from tally.metrics.settings import MetricsSettings
from tally.rpc.settings import ClientSettings, RpcServiceSettings, ServerSettings


class VllmSettings(BaseModel):
    """What only the vLLM engine reads."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tensor_parallel_size: int = Field(1, ge=1, description="GPUs that the model is spread over.")
    memory_fraction: float = Field(
        0.9,
        gt=0,
        le=1,
        description="Share of each GPU's memory for weights, adapters and the KV cache together.",
    )
    kv_cache_bytes: int | None = Field(
        None,
        ge=1024**2,
        description="Memory for the KV cache, in bytes on each GPU. Unset: what memory_fraction "
        "leaves; on a CPU 1 GiB.",
    )
    processor_cache_bytes: int = Field(
        1024**3, ge=0, description="Memory for preprocessed images that are kept, in bytes."
    )
    max_lora_rank: Literal[1, 8, 16, 32, 64, 128, 256, 320, 512] = Field(
        64,
        description="Largest rank of an adapter, where max_lora_rank isn't less; room for this "
        "rank is set aside in every layer for each resident adapter.",
    )
    enforce_eager: bool | None = Field(
        None,
        description="Run without compiling the model and without CUDA graphs: a quicker start, "
        "slower sampling. Unset: on a CPU only.",
    )


class RolloutSettings(RpcServiceSettings, MetricsSettings):
    """Samples completions from a base model and from adapters that it fetches by digest."""

    model_config = SettingsConfigDict(
        env_prefix="TALLY_ROLLOUT_", cli_prog_name="python -m rollout_service"
    )

    server: ServerSettings = Field(
        ServerSettings(port=50052), description="Where the service listens."
    )
    model: str = Field(
        "Qwen/Qwen2.5-VL-3B-Instruct", description="The base model: a folder or a hub name."
    )
    engine: Literal["auto", "transformers", "vllm"] = Field(
        "auto",
        description="What samples; auto is vllm where it is installed, there is a GPU and it "
        "adapts the model with LoRA, else transformers.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where the model is held; auto is CUDA where there is a GPU."
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Precision of the model; auto is bfloat16 on CUDA, float32 elsewhere."
    )
    use_4bit: bool = Field(
        False, description="Quantise the language model to 4 bits (NF4) while it is loaded."
    )
    four_bit_folder: Path | None = Field(
        None,
        description="Folder of base models that were quantised once, to be shared by all who load "
        "the same; unset means `tally/4bit` in HF_HOME, beside the downloaded models.",
    )
    four_bit_folder_bytes: int = Field(
        64 * 1024**3, ge=0, description="Room of that folder, in bytes; 0 keeps nothing there."
    )
    torch_threads: int = Field(0, ge=0, description="Threads of torch; 0 leaves torch's choice.")
    blob: ClientSettings = Field(
        ClientSettings(target="127.0.0.1:50053"),
        description="The blob store, for the images and adapters that requests name.",
    )
    cache_dir: Path | None = Field(
        None,
        description="Folder of the blob cache, for this replica alone; emptied of earlier blobs "
        "at start. Unset: a new folder in /dev/shm or among the temporary files, see "
        "cache_in_memory; removed at the end, or by the next start.",
    )
    cache_in_memory: bool = Field(
        True,
        description="Without a cache_dir: keep fetched blobs in /dev/shm where half of its free "
        "space and a quarter of the memory hold cache_bytes or at least 1 GiB, which then is the "
        "bound; else on disk.",
    )
    cache_bytes: int = Field(
        4 * 1024**3, ge=1024, description="Most space for fetched blobs, in bytes."
    )
    cache_seconds: float = Field(
        3600.0, gt=0, description="How long a fetched blob stays that no request names, in seconds."
    )
    vision_cache_bytes: int = Field(
        256 * 1024**2, ge=0, description="Memory for vision features that are kept, in bytes."
    )
    max_resident_adapters: int = Field(
        4, ge=1, description="Adapters kept in the model; the least recently used one goes first."
    )
    max_lora_rank: int = Field(512, ge=1, description="Largest rank of an adapter.")
    max_batch_completions: int = Field(
        64, ge=1, description="Completions decoded at once when several requests wait."
    )
    max_waiting_completions: int = Field(
        64,
        ge=0,
        description="Completions that may wait, at least, while as many as max_batch_completions "
        "are decoded; a request beyond them is turned away at once, for another replica to take.",
    )
    max_waiting_seconds: float = Field(
        1.0,
        ge=0,
        description="More may wait while, at the pace of late, all of them begin within this time.",
    )
    max_completions: int = Field(64, ge=1, description="Largest num_completions of a request.")
    max_new_tokens: int = Field(1024, ge=1, description="Largest max_new_tokens of a request.")
    max_sequence_tokens: int = Field(
        16_384,
        ge=2,
        description="Longest prompt and completion together, in tokens; never more than the "
        "model's own limit.",
    )
    vllm: VllmSettings = Field(VllmSettings(), description="What only the vLLM engine reads.")
    request_timeout_seconds: float = Field(
        600, gt=0, description="Longest a request may take, whatever deadline its caller set."
    )
