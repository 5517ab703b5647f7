"""What the gateway takes and answers; generated, `make docs` writes it anew.

Answers are dictionaries: a later gateway may say more in them.
"""

from typing import Any, Literal, NotRequired, TypedDict

DownloadForm = Literal["adapter", "merged"]


class Abstention(TypedDict):
    """What is left where counts of less probable answers are left out."""

    abstain_below: float
    """Counts of answers of a smaller probability are left out."""
    answered_rate: float
    """Share of the rows that keep a count, in [0, 1]."""
    exact_rate: float | None
    """Share of those with the true count, in [0, 1]; null where none is left."""


class BaseModelPublic(TypedDict):
    """A base model, as far as it is known without loading it."""

    name: str
    """Names it in POST /train."""
    is_default: bool
    """Whether it is the one that is taken where none is named."""
    family: str | None
    """The model_type of its config.json; null where that is not known yet."""
    licence: "Licence | None"
    """What it may be used for; null where Tally does not know: its own card says."""
    parameters: int | None
    """Its parameters; null while its files are not on the learner's machine."""


class BaseSample(TypedDict):
    """How the base model does on some rows, at the job's temperature."""

    exact_rate: float | None
    """Share of answers with the true count, in [0, 1]."""
    within_one_rate: float | None
    """Share of answers at most 1 off, in [0, 1]."""
    median_absolute_count_error: float | None
    """Median |count - true count| over the answers that hold a count."""
    mean_absolute_count_error: float | None
    """Mean |count - true count| over the answers that hold a count."""
    root_mean_square_count_error: float | None
    """Square root of the mean squared count error over the answers that hold a count."""
    far_off_rate: float | None
    """Share of answers whose count is more than 5 off, in [0, 1]."""
    reward_mean: float | None
    """Mean progressive_count reward."""
    parse_failure_rate: float | None
    """Share of answers without a count, in [0, 1]."""
    num_samples: int
    """Rows that were asked."""
    varied_group_rate: float
    """Share of groups whose rewards differ."""
    any_right_rate: float
    """Share of groups with a right answer."""


class BatchPublic(TypedDict):
    """A batch as it stands."""

    prediction_id: str
    """Names the batch, and its events and log as a job's id does."""
    name: str
    """The name of the ZIP."""
    question: str
    """What is asked about every picture."""
    job_id: str | None
    """The job whose adapter answers; null for the base."""
    abstain_below: float
    """Counts of a smaller probability are left out, unless another bound is named."""
    status: Literal["running", "completed", "failed", "cancelled"]
    """Where it stands."""
    phase: str | None
    """As that of a job; null once it has ended."""
    progress: float
    """Share of the pictures answered, in percent."""
    error_message: str | None
    """Why it failed; null otherwise."""
    created_at: str
    """When it was asked for, in UTC."""


class Calibration(TypedDict):
    """Whether probable answers are right: an answer's probability is that of its words, at
    temperature 1."""

    base: "ModelCalibration"
    """The base model."""
    adapter: "ModelCalibration"
    """The adapter."""


class CalibrationBin(TypedDict):
    """Answers with a count whose probabilities are close to each other."""

    from_probability: float
    """The least probability in it."""
    to_probability: float
    """Where the next bin begins; 1 is in the last."""
    num_answers: int
    """Answers in it."""
    mean_probability: float
    """The mean of their probabilities."""
    exact_rate: float
    """Share of them with the true count, in [0, 1]."""


class Caution(TypedDict):
    """What a warning says, for programs."""

    code: str
    """Its name; it stays."""
    parameters: dict[str, str | float]
    """The values that it names."""


class ChatCompletion(TypedDict):
    """What the model says next."""

    id: str
    """Names this answer."""
    object: Literal["chat.completion"]
    """What this is."""
    created: int
    """When, in Unix seconds."""
    model: str
    """The model that was asked for."""
    choices: list["Choice"]
    """One answer."""
    usage: "Usage"
    """How many tokens it took."""


class ChatMessage(TypedDict):
    """A picture stands before the texts of its message, as in the questions of a job."""

    role: Literal["system", "developer", "user", "assistant"]
    """Who says it; developer is another name for system."""
    content: str | list["TextPart | ImagePart"]
    """What is said: a text, or parts."""


class ChatRequest(TypedDict):
    """What is not named here is passed over, unless it would change the answer."""

    model: str
    """A base model, or the job_id of the job whose adapter answers: its last one, or with
    `:best` after the id its best one."""
    messages: list["ChatMessage"]
    """The last is a user's; one picture at most."""
    temperature: NotRequired[float | None]
    """0 is greedy, and what is taken where it is left out."""
    max_completion_tokens: NotRequired[int | None]
    """As max_new_tokens of the job, which is the default."""
    max_tokens: NotRequired[int | None]
    """Another name for max_completion_tokens."""
    seed: NotRequired[int | None]
    """Makes what is sampled repeatable."""
    stream: NotRequired[bool | None]
    """Whether to answer with server-sent events."""
    stream_options: NotRequired["StreamOptions | None"]
    """Of a stream alone."""


class Choice(TypedDict):
    index: Literal[0]
    """There is one."""
    message: "Said"
    """What is said."""
    finish_reason: Literal["stop", "length"]
    """length where it reached the most tokens that it may have."""


class ComparedRow(TypedDict):
    """A row with the answers of both models."""

    row: int
    """The row of the upload."""
    question: str
    """What was asked."""
    true_count: int
    """How many objects there are."""
    base: "GivenAnswer"
    """The base model's answer."""
    adapter: "GivenAnswer"
    """The adapter's answer."""


class CountRows(TypedDict):
    count: int
    """The true count."""
    rows: int
    """Rows that have it."""


class DataSummary(TypedDict):
    """What the upload holds."""

    rows: int
    """Rows in all."""
    images: int
    """Different images."""
    training_rows: int
    """Rows that are trained on."""
    held_out_rows: int
    """Rows that are held out."""
    counts: list["CountRows"]
    """Rows of each count, in their order."""
    kinds: list["KindRows"]
    """Rows of each kind, the most frequent first."""


class ErrorBody(TypedDict):
    """The body of every 4xx and 5xx, in the language of the header Content-Language."""

    detail: str
    """One sentence: what is wrong and what would be right."""
    code: str
    """What is wrong, for programs; where there are `errors`, that of the first."""
    parameters: dict[str, str | float]
    """The values that `detail` names, or the first of `errors`."""
    errors: list["ErrorItem"]
    """The single faults, at most 20."""


class ErrorItem(TypedDict):
    """One thing that is wrong."""

    where: str
    """The field, row or entry."""
    code: str
    """What is wrong, for programs: it stays as it is in every release and language."""
    message: str
    """What is wrong there, and what would be right."""
    parameters: dict[str, str | float]
    """The values that the message names."""


class EvaluateRequest(TypedDict):
    """The body of POST /jobs/{job_id}/evaluate."""

    file_id: str
    """The upload to compare on."""
    checkpoint: NotRequired[Literal["last", "best"]]
    """The adapter of the last step, or of the one that answered best what is held out, by
    evaluation_steps."""


class Evaluation(TypedDict):
    """The base model against the adapter, both greedy, on the same rows."""

    num_samples: int
    """Rows that both answered."""
    base: "IntervalScores"
    """The base model."""
    adapter: "IntervalScores"
    """The adapter."""
    difference: "IntervalScores"
    """Adapter minus base, row by row."""
    interval: "IntervalMethod"
    """How the intervals were made."""
    by_count: list["EvaluationPart"]
    """By true count, above 20 by range."""
    by_kind: list["EvaluationPart"]
    """By what the questions ask to be counted."""
    matrix: "Matrix"
    """Answers by true counts."""
    calibration: "Calibration | None"
    """What the probability of an answer is worth; null in comparisons that were made before it
    was measured."""
    warnings: list[str]
    """What should be known before the figures are believed."""
    cautions: list["Caution"]
    """The warnings for programs, in their order; none in comparisons of before they were
    written down."""
    worst: list["ComparedRow"]
    """Where the adapter is furthest off."""
    held_out: "HeldOut | None"
    """Null where the data was named."""
    file_id: str
    """The upload whose rows these are."""


class EvaluationPart(TypedDict):
    """The rows of one true count, or of one kind of object."""

    label: str
    """The count, a range of counts, or the objects."""
    num_samples: int
    """Rows in it."""
    base: "EvaluationScores"
    """The base model."""
    adapter: "EvaluationScores"
    """The adapter."""


class EvaluationPublic(TypedDict):
    evaluation_id: str
    """Names the evaluation, and its events and files as a job's id does."""
    job_id: str | None
    """The job whose adapter it is; null for one that came."""
    file_id: str
    """The upload that is compared on."""
    status: Literal["running", "completed", "failed", "cancelled"]
    """Where it stands."""
    phase: str | None
    """As that of a job; null once it has ended."""
    progress: float
    """Share of the answers given, in percent."""
    error_message: str | None
    """Why it failed; null otherwise."""
    created_at: str
    """When it was asked for, in UTC."""
    evaluation: "Evaluation | None"
    """What it found; null until it is completed."""


class EvaluationScores(TypedDict):
    """How right a model's answers were; null where there is no number."""

    exact_rate: float | None
    """Share of answers with the true count, in [0, 1]."""
    within_one_rate: float | None
    """Share of answers at most 1 off, in [0, 1]."""
    median_absolute_count_error: float | None
    """Median |count - true count| over the answers that hold a count."""
    mean_absolute_count_error: float | None
    """Mean |count - true count| over the answers that hold a count."""
    root_mean_square_count_error: float | None
    """Square root of the mean squared count error over the answers that hold a count."""
    far_off_rate: float | None
    """Share of answers whose count is more than 5 off, in [0, 1]."""
    reward_mean: float | None
    """Mean progressive_count reward."""
    parse_failure_rate: float | None
    """Share of answers without a count, in [0, 1]."""


class EvaluationSummary(TypedDict):
    """An evaluation as it stands."""

    evaluation_id: str
    """Names the evaluation, and its events and files as a job's id does."""
    job_id: str | None
    """The job whose adapter it is; null for one that came."""
    file_id: str
    """The upload that is compared on."""
    status: Literal["running", "completed", "failed", "cancelled"]
    """Where it stands."""
    phase: str | None
    """As that of a job; null once it has ended."""
    progress: float
    """Share of the answers given, in percent."""
    error_message: str | None
    """Why it failed; null otherwise."""
    created_at: str
    """When it was asked for, in UTC."""


class FilePublic(TypedDict):
    file_id: str
    """Names the upload in POST /train."""
    filename: str
    """The name it was sent under."""
    kind: Literal["data", "adapter"]
    """What it is: data to train on, or an adapter to begin with."""
    csv_rows: int
    """Rows of data, those that were left out among them."""
    valid_images: int
    """Different images that rows name; every one was decoded."""
    skipped_rows: int
    """Rows that were left out, since `on_bad_rows` was `skip`."""
    upload_time: str
    """When it was stored, in UTC."""
    warnings: list[str]
    """What was accepted but looks like a mistake, in the uploader's language."""


class Finding(TypedDict):
    """Something that is worth knowing before a job is started."""

    severity: Literal["error", "warning", "note"]
    """How bad it is."""
    code: str
    """Its name for programs."""
    where: str
    """The field."""
    message: str
    """What it is."""
    parameters: dict[str, str | float]
    """The values that the message names."""
    suggestion: dict[str, Any] | None
    """Fields of the body with the nearest values that fit; null for none."""


class GivenAnswer(TypedDict):
    """What a model said to a row, and how it was scored."""

    text: str
    """What the model said."""
    count: int | None
    """The count in it; null where it holds none."""
    difference: int | None
    """How far the count is off."""
    reward: float
    """Its progressive_count reward."""


class HeldOut(TypedDict):
    """What was held out of training."""

    share: float
    """evaluation_share."""
    rows: list[int]
    """Rows of the upload."""


class HeldOutScores(TypedDict):
    """How the adapter after a step answered what is held out, greedily. Intervals of shares are
    Wilson's, at 95%."""

    step: int
    """The step, from 1."""
    exact_rate: float | None
    """Share of answers with the true count, in [0, 1]."""
    within_one_rate: float | None
    """Share of answers at most 1 off, in [0, 1]."""
    median_absolute_count_error: float | None
    """Median |count - true count| over the answers that hold a count."""
    mean_absolute_count_error: float | None
    """Mean |count - true count| over the answers that hold a count."""
    root_mean_square_count_error: float | None
    """Square root of the mean squared count error over the answers that hold a count."""
    far_off_rate: float | None
    """Share of answers whose count is more than 5 off, in [0, 1]."""
    reward_mean: float | None
    """Mean progressive_count reward."""
    parse_failure_rate: float | None
    """Share of answers without a count, in [0, 1]."""
    intervals: dict[str, list[float] | None]
    """Lower and upper end of each figure's interval; null where there is none."""
    num_samples: int
    """Samples that it answered."""
    is_best: bool
    """Whether its exact_rate is above that of every earlier step."""


class ImagePart(TypedDict):
    type: Literal["image_url"]
    """Which kind of part it is."""
    image_url: "ImageUrl"
    """The picture."""


class ImageUrl(TypedDict):
    url: str
    """A data URL with the picture in base64, of at most 16 MiB."""


class IntervalMethod(TypedDict):
    """Wilson's intervals of rates and Newcombe's of their differences, an image being one
    trial; of all else a paired bootstrap over images."""

    confidence: float
    """How sure the intervals are."""
    resamples: int
    """How often images were drawn anew."""
    seed: int
    """What the draws follow from."""


class IntervalScores(TypedDict):
    """The figures with the ends of their intervals."""

    exact_rate: float | None
    """Share of answers with the true count, in [0, 1]."""
    within_one_rate: float | None
    """Share of answers at most 1 off, in [0, 1]."""
    median_absolute_count_error: float | None
    """Median |count - true count| over the answers that hold a count."""
    mean_absolute_count_error: float | None
    """Mean |count - true count| over the answers that hold a count."""
    root_mean_square_count_error: float | None
    """Square root of the mean squared count error over the answers that hold a count."""
    far_off_rate: float | None
    """Share of answers whose count is more than 5 off, in [0, 1]."""
    reward_mean: float | None
    """Mean progressive_count reward."""
    parse_failure_rate: float | None
    """Share of answers without a count, in [0, 1]."""
    intervals: dict[str, list[float] | None]
    """Lower and upper end of each figure's interval; null where there is none."""


class JobChanges(TypedDict):
    """What is left out stays as it is."""

    job_name: NotRequired[str | None]
    """Another name; the download carries it."""
    tags: NotRequired[list[str] | None]
    """All of its tags, in place of those before; letters become small ones, and a tag holds no
    comma."""
    notes: NotRequired[str | None]
    """A text about it; empty for none."""


class JobPublic(TypedDict):
    job_id: str
    """Names the job in every other request."""
    job_name: str
    """The name it was given."""
    status: Literal["training", "completed", "failed", "cancelled"]
    """Where it stands; training until it has ended."""
    current_step: int
    """Optimizer steps done."""
    total_steps: int
    """Optimizer steps in all; 0 until the data is staged."""
    loss: float | None
    """The loss of the last step; null before the first."""
    error_message: str | None
    """Why it failed; null otherwise."""
    output_dir: str | None
    """The folder of the result on the learner's machine; null until it is known."""
    phase: str | None
    """What it is doing now: queued, loading, rollout, learning, saving, evaluating, waiting for
    rollout, cancelling; null once it has ended."""
    resumed_from_job_id: str | None
    """The earlier job whose checkpoint it went on from; null for none."""
    notes: str
    """What PATCH /jobs/{job_id} said about it."""
    best_step: int | None
    """The step whose adapter has answered best what is held out so far, by exact_rate; null
    before the first evaluation of evaluation_steps."""
    end_reason: str | None
    """Why a completed job ended before its last step: no_improvement, by evaluation_patience,
    or nothing_taught, by zero_variance_patience; null otherwise."""
    warning: str | None
    """What makes it less than a plain success: no_variety or nothing_left_to_learn, where its
    last steps, ten or more in a row, have taught nothing; null otherwise."""
    tags: list[str]
    """Those that POST /train or PATCH /jobs/{job_id} gave it, in their order."""
    data_file_id: str
    """The upload it trains on."""
    evaluation_file_id: str | None
    """The upload on which base and adapter are compared; null where none was named."""
    adapter_job_id: str | None
    """The job whose adapter it began with; null for none."""
    adapter_file_id: str | None
    """The uploaded adapter that it began with; null for none."""
    progress: float
    """Share of the optimizer steps done, in percent."""
    created_at: str
    """When POST /train wrote it down, in UTC."""
    started_at: str | None
    """When its first worker started, in UTC; null before that."""
    ended_at: str | None
    """When it ended, in UTC; null until then."""
    checkpoints: list[Literal["last", "best"]]
    """Which adapters there are to download and to compare: last, best; of a job that was
    cancelled or failed, those of its checkpoints."""
    priority: int
    """Jobs of a higher one start first."""
    queue_position: int | None
    """Its place among the jobs that wait, 1 for the next; null where it does not wait, or while
    the learner is away."""
    estimated_start: str | None
    """About when a job that waits starts, in UTC, by the measured steps of those that run; null
    where that can't be told."""


class KindRows(TypedDict):
    kind: str
    """The objects."""
    rows: int
    """Rows that ask for them."""


class Licence(TypedDict):
    """A base model's licence, which counts for what is made of it, too."""

    title: str
    """What it is called."""
    link: str
    """Where it stands."""
    identifier: str
    """The Hugging Face hub's word for it."""
    is_for_research_only: bool
    """Whether it allows research alone."""


class LoraConfig(TypedDict):
    """What to train."""

    r: NotRequired[int]
    """Rank."""
    lora_alpha: NotRequired[float]
    """Scale: the update is multiplied by lora_alpha / r."""
    lora_dropout: NotRequired[float]
    """Dropout before the first matrix."""


class Matrix(TypedDict):
    """How often each answer was given to each true count: rows of true counts."""

    true_labels: list[str]
    """True counts, one for each row."""
    answer_labels: list[str]
    """Answers, one for each column; no count last."""
    base: list[list[int]]
    """The base model's answers."""
    adapter: list[list[int]]
    """The adapter's answers."""


class MemoryEstimate(TypedDict):
    """The most that a process holds at any time."""

    device: str
    """cpu or cuda."""
    estimated_bytes: int
    """The sum of the parts, or loading_bytes if more."""
    available_bytes: int
    """What there is; 0 where that is not known."""
    loading_bytes: int
    """The most while the model is loaded."""
    processes: int
    """Of the job, on one device; available_bytes is the part of each."""
    parts: "MemoryParts"
    """Of what is held in a step."""


class MemoryParts(TypedDict):
    libraries: int
    """The interpreter with its libraries, in bytes."""
    weights: int
    """The frozen model, in bytes."""
    adapter: int
    """The adapter and its optimizer's state, in bytes; of a replica its adapters."""
    caches: int
    """Vision features that are kept, in bytes; of a replica keys and values too."""
    activations: int
    """What a pass makes and keeps, in bytes."""


class Metrics(TypedDict):
    job_id: str
    """The job's id."""
    last_seq: int
    """The steps hold every event up to this one; watch the job from here on."""
    evaluations: list["HeldOutScores"]
    """One for each evaluation of evaluation_steps, in order."""
    steps: list["StepMetrics"]
    """One for each step done, in order; a step done twice shows its last run."""


class Model(TypedDict):
    """A base model, or the adapter of a job."""

    id: str
    """What a request calls it."""
    object: Literal["model"]
    """What this is."""
    created: int
    """When the job was made, in Unix seconds; 0 for a base."""
    owned_by: str
    """Whose job it is; tally for nobody's in particular."""
    job_name: str | None
    """The job's name; null for a base."""


class ModelCalibration(TypedDict):
    """What the probabilities of one model's answers are worth."""

    expected_calibration_error: float | None
    """How far mean probability and exact_rate are apart in a bin, the mean over the answers
    that hold a count, in [0, 1]."""
    bins: list["CalibrationBin"]
    """Tenths of probability that have answers."""
    abstention: list["Abstention"]
    """At a few bounds, ascending."""


class Models(TypedDict):
    object: Literal["list"]
    """What this is."""
    data: list["Model"]
    """The base models first."""


class PredictedAnswer(TypedDict):
    text: str
    """What the model said."""
    count: int | None
    """The count in it; null where it holds none."""
    explanation: str | None
    """Why it holds none; null otherwise."""


class Prediction(TypedDict):
    """Both answers side by side."""

    question: str
    """What was asked."""
    job_id: str | None
    """The job whose adapter answered; null for none."""
    base: "PredictedAnswer"
    """The base model's answer."""
    adapter: "PredictedAnswer | None"
    """The adapter's; null without a job_id."""


class Preflight(TypedDict):
    """What a job would do; nothing was written."""

    ok: bool
    """False where a finding is an error."""
    findings: list["Finding"]
    """Errors first."""
    data: "DataSummary"
    base: "BaseSample | None"
    """Null where the base model was not asked."""
    steps: "StepPlan"
    """The steps there would be."""
    prompt_example: str
    """The prompt of a row as the model gets it, with one placeholder for the image."""
    memory: "MemoryEstimate"
    """What the worker would need."""
    replica_memory: "MemoryEstimate | None"
    """What a rollout replica would need; null where none answers, and for vLLM, which takes the
    share of a card that it is set to."""
    time: "TimeEstimate | None"
    """Null where there is nothing to go by."""


class PromptTemplate(TypedDict):
    """What the model is told around a question."""

    system_prompt: NotRequired[str]
    """What the model is told beforehand; empty: what its chat template says by itself."""
    question_template: NotRequired[str]
    """What is asked about an image: {question} stands for the question, once."""


class Reward(TypedDict):
    """A reward that a training may name."""

    name: str
    """Its name."""
    description: str
    """What it rewards."""
    package: str | None
    """The package that brought it, with its version; null for a built-in one."""
    fault: str | None
    """Why it can't be used, as the end of a sentence about it; null where it can."""


class RewardWeight(TypedDict):
    """A reward, and its factor in the sum."""

    name: str
    """A name that the reward service knows."""
    weight: NotRequired[float]
    """Its factor in the sum."""


class RowPublic(TypedDict):
    """A row of an upload; not a model, since a hundred thousand of them may be held."""

    row: int
    """Of main.csv as a spreadsheet shows it: the header is row 1. Of main.jsonl its line, and
    of annotations its place, from 1."""
    image: str
    """The image's name in the ZIP."""
    question: str
    """What is asked."""
    answer: str
    """The answer as it was uploaded, or made of annotations."""
    true_count: int
    """The count in the answer."""


class RowsPage(TypedDict):
    file_id: str
    """The upload."""
    csv_rows: int
    """Rows in all, without those that were left out."""
    offset: int
    """Rows before the first one here."""
    rows: list["RowPublic"]
    """In the order of their numbers."""


class Said(TypedDict):
    role: Literal["assistant"]
    """Always the assistant."""
    content: str
    """What the model says."""


class ShownAnswer(TypedDict):
    """One answer of a group."""

    text: str
    """What the model said."""
    count: int | None
    """The count in it; null where it holds none."""
    reward: float | None
    """Its reward."""


class ShownAnswers(TypedDict):
    """What the model said in the latest steps."""

    job_id: str
    """The job's id."""
    file_id: str
    """The upload whose rows these are."""
    steps: list["ShownStep"]
    """The newest first."""


class ShownGroup(TypedDict):
    """All answers to one question of a step."""

    row: int
    """The row of the upload."""
    question: str
    """What was asked."""
    true_count: int
    """How many objects there are."""
    answers: list["ShownAnswer"]
    """Every completion of the group."""


class ShownStep(TypedDict):
    """Some of a step's answers."""

    step: int
    """The step, from 1."""
    groups: list["ShownGroup"]
    """At most four."""


class SkippedRow(TypedDict):
    """A row that was left out."""

    row: int
    """Of main.csv as a spreadsheet shows it: the header is row 1. Of main.jsonl its line, and
    of annotations its place, from 1."""
    code: str
    """What is wrong, for programs."""
    message: str
    """What is wrong with the row or its image, in the uploader's language."""


class StepMetrics(TypedDict):
    """What one optimizer step measured; null where it was not a finite number. A step that was
    stored before a figure was invented has null there too."""

    step: int
    """The step, from 1."""
    epoch: float | None
    """Passes over the data so far, with fractions."""
    loss: float | None
    """The loss."""
    reward_mean: float | None
    """Mean of the rewards."""
    reward_std: float | None
    """Standard deviation of the rewards."""
    exact_rate: float | None
    """Share of answers with the true count, in [0, 1]."""
    mean_absolute_count_error: float | None
    """Mean |count - true count| over the answers that hold a count."""
    median_absolute_count_error: float | None
    """Median |count - true count| over the answers that hold a count."""
    far_off_rate: float | None
    """Share of answers whose count is more than 5 off, in [0, 1]."""
    parse_failure_rate: float | None
    """Share of answers without a count, in [0, 1]."""
    zero_variance_group_rate: float | None
    """Share of groups whose rewards are all equal, in [0, 1]."""
    entropy: float | None
    """Mean entropy of the token distributions, in nats."""
    kl: float | None
    """Mean k3 estimate of the divergence from the base model, in nats; null where beta is 0."""
    clip_low_rate: float | None
    """Share of tokens clipped from below, in [0, 1]."""
    clip_high_rate: float | None
    """Share of tokens clipped from above, in [0, 1]."""
    gradient_norm: float | None
    """Norm of the gradient before clipping."""
    learning_rate: float | None
    """The learning rate of the step."""
    completion_length_mean: float | None
    """Mean tokens per completion."""
    log_probability_gap: float | None
    """Mean |engine's - learner's log-probability| per token, in nats."""
    rollout_seconds: float | None
    """Seconds from asking for completions to having them; with staleness above 0 most of them
    pass while earlier steps are learnt from."""
    reward_seconds: float | None
    """Seconds from the last completion to the last score; earlier answers are scored
    meanwhile."""
    learning_seconds: float | None
    """Seconds of forward, backward and optimizer, without waiting."""
    step_seconds: float | None
    """Seconds of the whole step."""
    samples_per_second: float | None
    """Completions per second of the whole step."""
    tokens_per_second: float | None
    """Sampled tokens per second of the whole step."""
    waiting_seconds: float | None
    """Seconds in which the learner had nothing to do but wait for completions and scores."""
    staleness_mean: float | None
    """Mean number of optimizer steps by which the samples' adapter was behind."""
    importance_ratio_mean: float | None
    """Mean ratio of the learner's probability of a token to the engine's, before truncation; 1
    where there is no importance correction."""
    importance_truncated_rate: float | None
    """Share of tokens whose ratio was cut off at importance_cap, in [0, 1]."""
    skipped_group_rate: float | None
    """Share of groups without a forward and backward pass, in [0, 1]."""
    refilled_group_rate: float | None
    """Share of groups that another prompt was sampled for, in [0, 1]."""
    reward_share_by_component: dict[str, float]
    """What each reward adds to reward_mean: its weight times its mean, by its name."""
    reward_mean_by_component: dict[str, float]
    """Mean of each reward by itself, before its weight, by its name."""
    outside_mass_mean: float | None
    """Mean probability of the answers beside those that were written out; null where all were
    sampled."""
    expected_reward_mean: float | None
    """Mean expected reward over the answers that were written out, by their probabilities; null
    where all were sampled."""
    sampled_completions: float | None
    """Completions that the step sampled, those of prompts that were refilled among them."""


class StepPlan(TypedDict):
    steps_per_epoch: int
    """Optimizer steps of a pass over the data."""
    total_steps: int
    """Optimizer steps in all."""
    completions_per_step: int
    """Completions of a step."""


class StreamOptions(TypedDict):
    include_usage: NotRequired[bool]
    """Whether the last event counts tokens."""


class TextPart(TypedDict):
    type: Literal["text"]
    """Which kind of part it is."""
    text: str
    """What is said."""


class TimeEstimate(TypedDict):
    seconds: float
    """Of all steps."""
    seconds_per_step: float
    """Of one step."""
    basis: str
    """What it is estimated from."""


class TrainRequest(TypedDict):
    job_name: str
    """A name for people; the download carries it."""
    data_file_id: str
    """The file_id that POST /upload-data answered."""
    training_config: NotRequired["TrainingConfig"]
    lora_config: NotRequired["LoraConfig"]
    model: NotRequired[str | None]
    """The base model, one of the server's list; left out: the first of it."""
    rewards: NotRequired[list["RewardWeight"]]
    """Rewards to add up, each with its `name` and `weight`; empty: progressive_count with
    weight 1."""
    prompt: NotRequired["PromptTemplate"]
    """How questions are put to the model."""
    evaluation_file_id: NotRequired[str | None]
    """An upload on which base and adapter are compared at the end."""
    evaluation_share: NotRequired[float]
    """Share of the data's images that training never sees and that base and adapter are
    compared on, where no other data is named for that; none of fewer than 50 images, 1,000 at
    most."""
    resume_from_job_id: NotRequired[str | None]
    """A cancelled or failed job with equal settings, to go on from its last checkpoint; left
    out: the furthest of those that there are."""
    fresh: NotRequired[bool]
    """Start from nothing, whatever earlier jobs left."""
    adapter_job_id: NotRequired[str | None]
    """A job that has ended with an adapter, to train on from it, on any data: its base model,
    rank, lora_alpha and prompt hold where they are left out here."""
    adapter_checkpoint: NotRequired[Literal["last", "best"]]
    """Which of that job's adapters: the one of its last step, or its best."""
    adapter_file_id: NotRequired[str | None]
    """The same with an adapter that POST /upload-data took."""
    priority: NotRequired[int]
    """Jobs of a higher one start first, whoever started them earlier; above 0 it takes the role
    operator."""
    tags: NotRequired[list[str]]
    """Words to find the job by; PATCH /jobs/{job_id} changes them. Left out with
    resume_from_job_id: those of that job."""
    callback_url: NotRequired[str | None]
    """Where a signed webhook goes once the job has ended; refused where the server sends
    none."""


class TrainingConfig(TypedDict):
    """How to train."""

    num_epochs: NotRequired[int]
    """Passes over the data."""
    learning_rate: NotRequired[float]
    """Peak learning rate of AdamW."""
    batch_size: NotRequired[int]
    """Prompts in one forward pass."""
    gradient_accumulation_steps: NotRequired[int]
    """Forward passes in one optimizer step."""
    num_generations: NotRequired[int]
    """Completions per prompt (G)."""
    temperature: NotRequired[float]
    """Sampling temperature."""
    use_4bit: NotRequired[bool]
    """Whether the base weights are held in NF4, in about a third of the memory. On a CPU it is
    slower, and memory is the only gain."""
    max_image_size: NotRequired[int]
    """Longest side of an image in pixels; larger ones are shrunk once."""
    seed: NotRequired[int]
    """Seed of shuffling, initialisation, dropout and sampling."""
    max_new_tokens: NotRequired[int]
    """Most tokens of a completion."""
    beta: NotRequired[float]
    """Weight of the KL penalty against the base model."""
    epsilon_low: NotRequired[float]
    """How far the probability ratio may fall below 1."""
    epsilon_high: NotRequired[float]
    """How far the probability ratio may rise above 1."""
    loss_type: NotRequired[Literal["grpo", "bnpo", "dr_grpo", "dapo", "gspo"]]
    """How the token losses are averaged."""
    advantage_scale: NotRequired[Literal["group", "batch", "none"]]
    """What centred rewards are divided by the deviation of."""
    save_steps: NotRequired[int]
    """Optimizer steps between two checkpoints."""
    warmup_steps: NotRequired[int]
    """Optimizer steps of linear warm-up."""
    max_steps: NotRequired[int]
    """Stops after this many optimizer steps, even within an epoch; 0: no limit."""
    learning_rate_schedule: NotRequired[Literal["linear", "cosine", "constant"]]
    """What the learning rate does after warm-up."""
    weight_decay: NotRequired[float]
    """Weight decay of AdamW: each step takes this, times the learning rate, off every weight of
    the adapter."""
    gradient_checkpointing: NotRequired[bool]
    """Whether backward computes the layers' activations again rather than keeping them: less
    memory for a third more time."""
    staleness: NotRequired[int]
    """How many optimizer steps the adapter that a step's completions are sampled with may be
    behind; 0: strictly on-policy. Beyond it, later steps are sampled while earlier ones are
    learnt from."""
    importance_correction: NotRequired[Literal["auto", "on", "off"]]
    """Whether token losses are weighted by truncated importance ratios."""
    importance_cap: NotRequired[float]
    """Where the ratio of the learner's probability of a token to the engine's is cut off."""
    zero_variance_groups: NotRequired[Literal["skip", "refill", "learn"]]
    """What is done with a group whose rewards are all equal."""
    refill_rounds: NotRequired[int]
    """Where such a group is refilled: how many other prompts are tried for it."""
    processes: NotRequired[int]
    """Processes that share the forward passes of a step, each with a GPU of its own where there
    are GPUs; 0: as many as the learner has for a job."""
    estimator: NotRequired[Literal["sampled", "exact_counts"]]
    """How the gradient of the expected reward is found: from sampled answers, or exactly over
    the counts that an answer may hold."""
    largest_count: NotRequired[int]
    """With exact_counts: the largest count that is written out; 0: three more than the largest
    of the data, 63 at most."""
    outside_mass_bound: NotRequired[float]
    """With exact_counts: the probability of all other answers above which num_generations
    answers are sampled for them."""
    prompt_selection: NotRequired[Literal["uniform", "by_history"]]
    """Whether each prompt comes in its turn, or more often those whose groups taught something
    lately."""
    first_completions: NotRequired[int]
    """First completions of a prompt; the others where these differ. 0: all at once."""
    evaluation_steps: NotRequired[int]
    """Optimizer steps between two evaluations on what is held out, the last step's besides; 0:
    none."""
    evaluation_patience: NotRequired[int]
    """Such evaluations in a row without a better exact_rate after which the job ends; 0: it
    takes all its steps."""
    zero_variance_patience: NotRequired[int]
    """Optimizer steps in a row in which all groups have equal rewards, so that nothing is
    learnt, after which the job ends; 0: it goes on, and says so."""


class UploadAnswer(TypedDict):
    file_id: str
    """Names the upload in POST /train."""
    filename: str
    """The name it was sent under."""
    kind: Literal["data", "adapter"]
    """What it is: data to train on, or an adapter to begin with."""
    csv_rows: int
    """Rows of data, those that were left out among them."""
    valid_images: int
    """Different images that rows name; every one was decoded."""
    skipped_rows: int
    """Rows that were left out, since `on_bad_rows` was `skip`."""
    upload_time: str
    """When it was stored, in UTC."""
    warnings: list[str]
    """What was accepted but looks like a mistake, in the uploader's language."""
    skipped: list["SkippedRow"]
    """Every row that was left out; the first 10,000 of more."""


class Usage(TypedDict):
    prompt_tokens: int
    """Those of the conversation, the picture's among them."""
    completion_tokens: int
    """Those of the answer."""
    total_tokens: int
    """Both together."""
