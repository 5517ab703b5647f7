"""The parts of the vLLM engine that need no model: adapters' folders, options, the choice."""

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rollout_service.adapter_file import LoraStructure
from rollout_service.engine import LocalBlob
from rollout_service.engine_choice import build_engine
from rollout_service.errors import BadAdapter, EngineDied, OutOfMemory
from rollout_service.settings import RolloutSettings, VllmSettings

pytest.importorskip("vllm")

from vllm.v1.executor.uniproc_executor import UniProcExecutor

from rollout_service.torch_engine.engine import TransformersEngine
from rollout_service.vllm_engine.adapters import VllmAdapters, number_of
from rollout_service.vllm_engine.engine import VllmEngine
from rollout_service.vllm_engine.options import engine_options, environment
from rollout_service.vllm_engine.scheduler import WholeCompletions

STRUCTURE = LoraStructure(rank=4, alpha=8.0, modules=("a.0.q_proj", "a.1.q_proj", "a.0.up_proj"))


class Host:
    """Writes down what it is asked; refuses the adapters of `failures` with these words."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []
        self.failures: dict[str, str] = {}

    async def add_lora(self, lora_request: Any) -> bool:
        if lora_request.lora_name in self.failures:
            raise Exception(self.failures[lora_request.lora_name])
        config = json.loads((Path(lora_request.lora_path) / "adapter_config.json").read_text())
        assert (config["r"], config["target_modules"]) == (4, ["q_proj", "up_proj"])
        self.calls.append(("add", lora_request.lora_int_id))
        return True

    async def remove_lora(self, lora_id: int) -> bool:
        self.calls.append(("remove", lora_id))
        return True


def blob(folder: Path, first: str) -> LocalBlob:
    path = folder / (first * 64)
    path.write_bytes(first.encode())
    return LocalBlob(digest=path.name, path=path)


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def adapters(host: Host, tmp_path: Path) -> VllmAdapters:
    return VllmAdapters(host, tmp_path / "adapters", 2, lambda _: STRUCTURE)


async def use(adapters: VllmAdapters, adapter: LocalBlob) -> int:
    async with adapters.hold(adapter) as request:
        weights = Path(request.lora_path) / "adapter_model.safetensors"
        assert weights.samefile(adapter.path)
        assert request.lora_name == adapter.digest
        return request.lora_int_id


async def test_the_least_recently_used_adapter_goes_with_its_folder(adapters, host, tmp_path):
    a, b, c = [blob(tmp_path, name) for name in "abc"]
    numbers = [await use(adapters, one) for one in (a, b, a, c)]
    assert host.calls == [
        ("add", numbers[0]), ("add", numbers[1]), ("remove", numbers[1]), ("add", numbers[3])
    ]  # fmt: skip
    assert adapters.digests == (a.digest, c.digest)
    assert sorted(path.name for path in (tmp_path / "adapters").iterdir()) == [a.digest, c.digest]


async def test_an_adapter_that_is_used_twice_at_once_is_loaded_once(adapters, host, tmp_path):
    a = blob(tmp_path, "a")
    await asyncio.gather(*(use(adapters, a) for _ in range(5)))
    assert len(host.calls) == 1


async def test_one_more_adapter_waits_until_another_is_idle(adapters, host, tmp_path):
    a, b, c = [blob(tmp_path, name) for name in "abc"]
    async with AsyncExitStack() as held:
        number = (await held.enter_async_context(adapters.hold(a))).lora_int_id
        await held.enter_async_context(adapters.hold(b))
        third = asyncio.create_task(use(adapters, c))
        await asyncio.sleep(0.05)
        assert len(host.calls) == 2
    await third
    assert host.calls[2][0] == "remove"
    assert host.calls[2][1] == number


async def test_an_adapter_that_vllm_refuses_leaves_nothing(adapters, host, tmp_path):
    a, b = blob(tmp_path, "a"), blob(tmp_path, "b")
    host.failures = {a.digest: "shapes differ", b.digest: "CUDA out of memory"}
    with pytest.raises(BadAdapter, match="can't load it"):
        await use(adapters, a)
    with pytest.raises(OutOfMemory):
        await use(adapters, b)
    host.failures = {}
    assert adapters.digests == ()
    assert await use(adapters, a)


def test_an_adapter_s_number_is_its_digest_s_and_nobody_else_s():
    number = number_of("f" * 64, set())
    assert number == number_of("f" * 64, set())
    assert 0 < number < 2**31
    assert number_of("f" * 64, {number}) not in {number, 0}
    assert number_of("0" * 64, set()) == 1


def outline() -> Any:
    text = SimpleNamespace(max_position_embeddings=4096)
    return SimpleNamespace(
        model=SimpleNamespace(config=SimpleNamespace(get_text_config=lambda: text))
    )


def test_options_on_a_gpu():
    vllm = VllmSettings(tensor_parallel_size=2, memory_fraction=0.5)
    options = engine_options(RolloutSettings(vllm=vllm, use_4bit=True), outline(), on_gpu=True)
    assert (options["tensor_parallel_size"], options["gpu_memory_utilization"]) == (2, 0.5)
    assert (options["dtype"], options["quantization"]) == ("bfloat16", "bitsandbytes")
    assert (options["enforce_eager"], options["kv_cache_memory_bytes"]) == (False, None)
    assert options["max_model_len"] == 4096
    assert not {"enable_chunked_prefill", "scheduler_cls"} & set(options)


def test_options_on_a_cpu():
    options = engine_options(RolloutSettings(), outline(), on_gpu=False)
    assert (options["dtype"], options["enforce_eager"]) == ("float32", True)
    assert options["kv_cache_memory_bytes"] == 1024**3
    assert options["enable_chunked_prefill"] is False
    assert options["max_loras"] == RolloutSettings().max_resident_adapters
    assert options["distributed_executor_backend"] is UniProcExecutor
    assert options["scheduler_cls"] is WholeCompletions


def test_a_model_over_several_processes_of_a_cpu():
    settings = RolloutSettings(vllm=VllmSettings(tensor_parallel_size=2))
    options = engine_options(settings, outline(), on_gpu=False)
    assert options["distributed_executor_backend"] == "mp"


@pytest.mark.parametrize(
    ("settings", "on_gpu"),
    [({"use_4bit": True}, False), ({"device": "cuda"}, False), ({"device": "cpu"}, True)],
)
def test_what_this_vllm_cannot_do_is_named(settings, on_gpu):
    with pytest.raises(ValueError, match=next(iter(settings))):
        engine_options(RolloutSettings(**settings), outline(), on_gpu=on_gpu)


def test_an_operator_s_variables_take_precedence():
    assert environment(RolloutSettings(), {})["VLLM_WORKER_MULTIPROC_METHOD"] == "spawn"
    chosen = environment(RolloutSettings(torch_threads=3), {"VLLM_LOGGING_LEVEL": "DEBUG"})
    assert "VLLM_LOGGING_LEVEL" not in chosen
    assert chosen["OMP_NUM_THREADS"] == "3"


def test_auto_is_vllm_where_there_is_a_gpu(monkeypatch):
    assert isinstance(build_engine(RolloutSettings()), TransformersEngine)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert isinstance(build_engine(RolloutSettings()), VllmEngine)
    assert isinstance(build_engine(RolloutSettings(device="cpu")), TransformersEngine)
    assert isinstance(build_engine(RolloutSettings(use_4bit=True)), TransformersEngine)
    assert isinstance(build_engine(RolloutSettings(engine="transformers")), TransformersEngine)


async def test_watching_ends_when_vllm_has_died():
    engine = VllmEngine(RolloutSettings())
    engine._running = SimpleNamespace(llm=SimpleNamespace(errored=False))
    watching = asyncio.create_task(engine.watch())
    await asyncio.sleep(0)
    assert not watching.done()
    engine._running.llm.errored = True
    with pytest.raises(EngineDied):
        await watching
