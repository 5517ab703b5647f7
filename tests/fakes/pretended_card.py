"""A card that is not there: tensors stay in memory, but code sees them on CUDA.

What a card refuses is refused here: an operation on tensors of both sides, numpy of one on the
card. So a forgotten `.to(device)` is found where there is no GPU. Tensors that torch makes by
itself, in its backward pass for one, are of unknown place and go with either.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

CARD = torch.device("cuda", 0)
CPU = torch.device("cpu")
# They take tensors of either side, or bring one over.
_CROSSING = {"to", "cpu", "copy_", "__getitem__", "__setitem__"}


class WrongDevice(RuntimeError):
    """What CUDA would refuse."""


def pretend_a_card(monkeypatch: pytest.MonkeyPatch) -> "PretendedCard":
    """Mixtures of experts ask what it can: as little as one whose kernels a CPU has too. From now
    on a CPU's small passes have as many threads as a card's, and so the same sums."""
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 0))
    return PretendedCard()


class PretendedCard(TorchFunctionMode):
    """A context: inside, `device=CARD` and `.to(CARD)` make tensors that count as the card's."""

    def __init__(self) -> None:
        super().__init__()
        self._places = WeakTensorKeyDictionary()

    def take(self, *modules: nn.Module) -> None:
        """Counts parameters and buffers as the card's."""
        for module in modules:
            for tensor in (*module.parameters(), *module.buffers()):
                self._places[tensor] = CARD

    def place(self, tensor: Tensor) -> torch.device | None:
        """None where it is unknown."""
        return self._places.get(tensor)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name == "__get__":
            return self._attribute(func, args)
        operands = list(_tensors([args, kwargs or {}]))
        self._check(name, operands)
        asked = next(filter(None, map(_device, [*args, *(kwargs or {}).values()])), None)
        if name == "cpu":
            asked = CPU
        elif name == "to" and len(operands) > 1:
            asked = self.place(operands[1])
        if name == "histc":
            args = (args[0].float(), *args[1:])  # a CPU counts no whole numbers
        result = func(
            *map(_on_cpu, args), **{key: _on_cpu(value) for key, value in (kwargs or {}).items()}
        )
        if (
            name in {"to", "cpu"}
            and result is operands[0]
            and asked not in {None, self.place(result)}
        ):
            result = result.view_as(result)
        place = asked or (self._common(operands) if operands else CPU)
        for tensor in _tensors(result):
            if place and not any(tensor is one for one in operands):
                self._places[tensor] = place
        return result

    def _attribute(self, func: Callable[..., Any], args: Any) -> Any:
        """Its device, or a tensor that is a view of it, such as `.T`."""
        name, place = func.__self__.__name__, self.place(args[0])
        if name == "device":
            return place or CARD
        if name == "is_cuda":
            return place != CPU
        value = func(*args)
        if isinstance(value, Tensor) and value is not args[0] and place:
            self._places[value] = place
        return value

    def _check(self, name: str, operands: list[Tensor]) -> None:
        places = [self.place(tensor) for tensor in operands]
        if name == "numpy" and CARD in places:
            raise WrongDevice("numpy of a tensor on the card")
        if name == "__getitem__" and places[0] == CPU and CARD in places:
            raise WrongDevice("a tensor on the CPU by an index on the card")
        # A card takes a single number from anywhere.
        shaped = {self.place(tensor) for tensor in operands if tensor.dim()}
        if name not in _CROSSING and {CARD, CPU} <= shaped:
            said = ", ".join(f"{p} {tuple(t.shape)}" for p, t in zip(places, operands, strict=True))
            raise WrongDevice(f"{name} of {said}")

    def _common(self, operands: list[Tensor]) -> torch.device | None:
        places = {self.place(tensor) for tensor in operands}
        if CARD in places:
            return CARD
        return CPU if places == {CPU} else None


def _tensors(value: Any) -> Iterator[Tensor]:
    """All in a tensor, or in lists, tuples and mappings of them."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _tensors(part)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


def _device(value: Any) -> torch.device | None:
    """The device that an argument names, if it names one; there is one card."""
    if isinstance(value, str) and value.partition(":")[0] in {"cpu", "cuda"}:
        value = torch.device(value)
    if not isinstance(value, torch.device):
        return None
    return CARD if value.type == "cuda" else value


def _on_cpu(value: Any) -> Any:
    return CPU if _device(value) == CARD else value
