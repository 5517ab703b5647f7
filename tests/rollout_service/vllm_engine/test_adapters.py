"""Adapters as vLLM has them: folders that come and go with the weights."""

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tally.sampling.adapter_file import LoraStructure
from tally.sampling.engine import LocalBlob
from tally.sampling.errors import BadAdapter, OutOfMemory

pytest.importorskip("vllm")

from rollout_service.vllm_engine.adapters import VllmAdapters, number_of

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
