"""The licences that the models of the families were published under."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Licence:
    """`identifier` and `name` are `license` and `license_name` of a model card on the Hugging Face
    hub; `name` is of one that the hub has no word for, whose `identifier` is then `other`."""

    title: str
    link: str
    identifier: str = "other"
    name: str = ""
    is_for_research_only: bool = False


APACHE_2 = Licence(
    title="Apache License 2.0",
    link="https://www.apache.org/licenses/LICENSE-2.0",
    identifier="apache-2.0",
)
QWEN_RESEARCH = Licence(
    title="Qwen Research License Agreement",
    link="https://huggingface.co/Qwen/Qwen2.5-VL-3B-Instruct/blob/main/LICENSE",
    name="qwen-research",
    is_for_research_only=True,
)
QWEN = Licence(
    title="Qwen License Agreement",
    link="https://huggingface.co/Qwen/Qwen2.5-VL-72B-Instruct/blob/main/LICENSE",
    name="qwen",
)
TONGYI_QIANWEN = Licence(
    title="Tongyi Qianwen License Agreement",
    link="https://huggingface.co/Qwen/Qwen2-VL-72B-Instruct/blob/main/LICENSE",
    name="tongyi-qianwen",
)


def find_licence(licences: Mapping[str, Licence], model_name: str) -> Licence | None:
    """Of a model by its name on the hub, or by that of a folder which is called the same.

    `licences` are by publisher and size: that of `Qwen/Qwen2.5-VL-3B` is also that of
    `Qwen/Qwen2.5-VL-3B-Instruct`. None for what somebody else made of it, whose own card knows.
    """
    for published, licence in licences.items():
        for name in (published, published.rpartition("/")[2]):
            if model_name == name or model_name.startswith(f"{name}-"):
                return licence
    return None
