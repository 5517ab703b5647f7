"""The base models, as far as the learner knows them, and in the operator's order."""

from tally.learner.v1 import learner_pb2 as pb
from tally.rpc.errors import Unavailable

LICENCE = {
    "title": "Qwen Research License Agreement",
    "link": "https://huggingface.co/Qwen/Qwen2.5-VL-3B-Instruct/blob/main/LICENSE",
    "identifier": "other",
    "is_for_research_only": True,
}
DESCRIBED = [
    pb.BaseModel(
        name="Qwen/Qwen2.5-VL-3B-Instruct",
        family="qwen2_5_vl",
        licence=pb.Licence(**LICENCE),
        parameters=3_754_622_976,
    ),
    pb.BaseModel(name="mine"),
]


async def test_each_base_model_is_described(gateway, learner):
    learner.described_models = DESCRIBED
    assert (await gateway.client.get("/models")).json() == [
        {
            "name": "Qwen/Qwen2.5-VL-3B-Instruct",
            "is_default": True,
            "family": "qwen2_5_vl",
            "licence": LICENCE,
            "parameters": 3_754_622_976,
        },
        {
            "name": "mine",
            "is_default": False,
            "family": None,
            "licence": None,
            "parameters": None,
        },
    ]


async def test_the_operators_list_is_what_may_be_named(settings, start_gateway, learner):
    learner.described_models = DESCRIBED
    named = settings.model_copy(update={"models": ["another", "Qwen/Qwen2.5-VL-3B-Instruct"]})
    async with start_gateway(named) as gateway:
        models = (await gateway.client.get("/models")).json()
    assert [(one["name"], one["is_default"]) for one in models] == [
        ("another", True),
        ("Qwen/Qwen2.5-VL-3B-Instruct", False),
    ]
    assert [one["family"] for one in models] == [None, "qwen2_5_vl"]


async def test_without_the_learner_nothing_is_known(gateway, learner):
    learner.faults["ListModels"] = [Unavailable("away")] * 4
    assert (await gateway.client.get("/models")).status_code == 503
