"""A job's spec through the contract and back: a retried StartJob must equal the one before."""

import pytest

from learner_service.convert import limits_of, spec_from_proto, spec_to_proto
from learner_service.spec import Evaluation, JobSpec, Limits, Prediction, Training
from tally.job.choices import LossType
from tally.job.prompt_template import PromptTemplate
from tally.job.settings import LoraConfig, RewardWeight, TrainingConfig
from tally.learner.v1 import learner_pb2 as pb
from tally.rpc.errors import InvalidArgument

TRAINING = Training(
    config=TrainingConfig(loss_type=LossType.GSPO, temperature=0.5),
    lora=LoraConfig(r=8),
    rewards=(RewardWeight(name="exact", weight=0.5),),
    evaluation_dataset_digest="b" * 64,
    evaluation_share=0.0,
    prompt=PromptTemplate(system_prompt="Count.", question_template="{question} Now."),
    adapter_digest="d" * 64,
    adapter_job_id="an earlier one",
)
EVALUATION = Evaluation(adapter_digest="c" * 64, max_image_size=224, seed=0, prompt=TRAINING.prompt)
PREDICTION = Prediction(adapter_digest="c" * 64, max_new_tokens=9, prompt=TRAINING.prompt)


def rewarded(*names: str) -> pb.Training:
    return pb.Training(rewards=[pb.RewardWeight(name=name, weight=1) for name in names])


def asking(**prompt: str) -> pb.Training:
    return pb.Training(prompt=pb.PromptTemplate(**prompt))


@pytest.mark.parametrize("work", [Training(), TRAINING, EVALUATION, PREDICTION])
def test_a_spec_comes_back_as_it_was(work: Training | Evaluation | Prediction):
    spec = JobSpec(job_name="apples", dataset_digest="a" * 64, base_model="small", work=work)
    assert spec_from_proto(spec_to_proto(spec)) == spec


def test_what_is_unset_takes_its_default():
    asked = pb.JobSpec(dataset_digest="a" * 64, train=pb.Training())
    assert spec_from_proto(asked).work == Training()
    compared = pb.JobSpec(
        dataset_digest="a" * 64, evaluate=pb.Evaluation(adapter_digest="c" * 64, seed=0)
    )
    assert spec_from_proto(compared).work == Evaluation(adapter_digest="c" * 64, seed=0)
    predicted = pb.JobSpec(dataset_digest="a" * 64, predict=pb.Prediction())
    assert spec_from_proto(predicted).work == Prediction()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "spec: expected train, evaluate or predict"),
        ({"evaluate": pb.Evaluation()}, "evaluate.adapter_digest"),
        ({"evaluate": pb.Evaluation(adapter_digest="x")}, "spec.evaluate.adapter_digest"),
        (
            {"evaluate": pb.Evaluation(adapter_digest="c" * 64, max_image_size=5)},
            "evaluate.max_image_size",
        ),
        ({"predict": pb.Prediction(adapter_digest="x")}, "spec.predict.adapter_digest"),
        ({"predict": pb.Prediction(max_new_tokens=0)}, "predict.max_new_tokens"),
        ({"train": pb.Training(evaluation_share=0.6)}, "train.evaluation_share"),
        ({"train": pb.Training(lora=pb.LoraConfig(r=0))}, "train.lora.r"),
        ({"train": pb.Training(), "job_name": "a\x1b[31mb"}, "job_name: holds control characters"),
        ({"train": pb.Training(), "job_name": "a\u202eb"}, "job_name: holds control characters"),
        ({"train": pb.Training(), "job_name": "x" * 201}, "job_name"),
        ({"train": rewarded(*map("r{}".format, range(17)))}, "train.rewards: 17 of them"),
        ({"train": rewarded("exact", "exact")}, "train.rewards.1.name: exact is there twice"),
        ({"train": rewarded("../x")}, "train.rewards.0.name"),
        ({"train": asking(system_prompt="a\0")}, "train.prompt.system_prompt: .* U\\+0000"),
        (
            {"train": asking(question_template="How many?")},
            "train.prompt.question_template: .* 0 times; write it once",
        ),
        ({"train": pb.Training(resume_from_job_id="x" * 201)}, "train.resume_from_job_id"),
        ({"train": pb.Training(adapter_digest="x")}, "spec.train.adapter_digest"),
        ({"train": pb.Training(adapter_job_id="a\nb")}, "train.adapter_job_id: holds control"),
        (
            {"train": pb.Training(evaluation_dataset_digest="x")},
            "spec.train.evaluation_dataset_digest",
        ),
    ],
)
def test_a_spec_that_cannot_be_names_its_field(fields: dict[str, object], message: str):
    with pytest.raises(InvalidArgument, match=message):
        spec_from_proto(pb.JobSpec(dataset_digest="a" * 64, **fields))


def test_an_answer_s_limits_are_the_caller_s_and_else_the_job_s():
    of_job = Limits(max_image_size=224, max_new_tokens=16)
    assert limits_of(pb.AnswerRequest(), of_job) == of_job
    asked = limits_of(pb.AnswerRequest(max_new_tokens=8), of_job)
    assert (asked.max_image_size, asked.max_new_tokens) == (224, 8)
    with pytest.raises(InvalidArgument, match="max_new_tokens"):
        limits_of(pb.AnswerRequest(max_new_tokens=0), of_job)
