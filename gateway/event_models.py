"""What the metrics and evaluation routes answer. The fields are those of learner.v1."""

from pydantic import BaseModel, Field


class StepMetrics(BaseModel):
    """What one optimizer step measured; null where it was not a finite number."""

    step: int = Field(description="The step, from 1.", examples=[1])
    epoch: float | None = Field(description="Passes over the data so far.")
    loss: float | None = Field(description="The loss.")
    reward_mean: float | None = Field(description="Mean of the rewards.")
    reward_std: float | None = Field(description="Standard deviation of the rewards.")
    exact_rate: float | None = Field(description="Share of answers with the true count.")
    mean_absolute_count_error: float | None = Field(
        description="Mean |count - true count| over the answers that hold a count."
    )
    parse_failure_rate: float | None = Field(description="Share of answers without a count.")
    zero_variance_group_rate: float | None = Field(
        description="Share of groups whose rewards are all equal."
    )
    entropy: float | None = Field(description="Mean entropy of the token distributions, in nats.")
    kl: float | None = Field(description="Mean estimate of the divergence from the base model.")
    clip_low_rate: float | None = Field(description="Share of tokens clipped from below.")
    clip_high_rate: float | None = Field(description="Share of tokens clipped from above.")
    gradient_norm: float | None = Field(description="Norm of the gradient before clipping.")
    learning_rate: float | None = Field(description="The learning rate of the step.")
    completion_length_mean: float | None = Field(description="Mean tokens per completion.")
    log_probability_gap: float | None = Field(
        description="Mean |engine's - learner's log-probability| per token, in nats."
    )
    rollout_seconds: float | None = Field(description="Seconds until the completions were there.")
    reward_seconds: float | None = Field(description="Seconds of scoring.")
    learning_seconds: float | None = Field(description="Seconds of forward, backward, optimizer.")
    step_seconds: float | None = Field(description="Seconds of the whole step.")
    samples_per_second: float | None = Field(description="Completions per second.")


class Metrics(BaseModel):
    job_id: str = Field(description="The job's id.")
    last_seq: int = Field(
        description="The steps hold every event up to this one; watch the job from here on.",
        examples=[240],
    )
    steps: list[StepMetrics] = Field(
        description="One for each step done, in order; a step done twice shows its last run."
    )


class EvaluationScores(BaseModel):
    exact_rate: float | None = Field(description="Share of answers with the true count.")
    within_one_rate: float | None = Field(description="Share of answers at most 1 off.")
    mean_absolute_count_error: float | None = Field(
        description="Mean |count - true count| over the answers that hold a count."
    )
    reward_mean: float | None = Field(description="Mean progressive_count reward.")
    parse_failure_rate: float | None = Field(description="Share of answers without a count.")
    root_mean_square_count_error: float | None = Field(
        description="Square root of the mean squared error of the answers that hold a count."
    )


class ShownAnswer(BaseModel):
    """One answer of a group."""

    text: str = Field(description="What the model said.", examples=["A photo of 3 apples"])
    count: int | None = Field(description="The count in it; null where it holds none.")
    reward: float | None = Field(description="Its reward.", examples=[1.0])


class ShownGroup(BaseModel):
    """All answers to one question of a step."""

    row: int = Field(description="The row of the upload.", examples=[17])
    question: str = Field(examples=["How many apples are in this image?"])
    true_count: int = Field(examples=[3])
    answers: list[ShownAnswer]


class ShownStep(BaseModel):
    """Some of a step's answers."""

    step: int = Field(examples=[150])
    groups: list[ShownGroup]


class Samples(BaseModel):
    """What the model said in the latest steps."""

    job_id: str
    file_id: str = Field(description="The upload whose rows these are.")
    steps: list[ShownStep] = Field(description="The newest first.")


class Evaluation(BaseModel):
    num_samples: int = Field(description="Held-out samples.", examples=[120])
    base: EvaluationScores = Field(description="The base model's scores.")
    adapter: EvaluationScores = Field(description="The adapter's scores.")
