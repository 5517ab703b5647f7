"""Lets torchvision be imported beside a CPU build of torch.

vLLM's image processors import torchvision, and package indexes offer it built for CUDA. Beside a
CPU torch its compiled operators don't load, and its import fails where it registers what they do
on the meta device: `operator torchvision::nms does not exist`. None of those operators is used
here, so it is enough that their schemas are declared. vLLM runs this in each process that it
starts, as one of its plugins (see `vllm.general_plugins` in pyproject.toml).
"""

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_declared: list[torch.library.Library] = []  # a library that is collected takes its schemas along


def declare() -> None:
    """Must come before torchvision's first import; does nothing where torch was built for CUDA."""
    if torch.version.cuda is not None or _declared:
        return
    library = torch.library.Library("torchvision", "DEF")
    for schema in _SCHEMAS:
        library.define(schema)
    _declared.append(library)
