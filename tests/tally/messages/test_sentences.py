"""Every code has a sentence in each language, every place gives what it names, none is unused."""

import ast
import json
import math
import re
import string
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated, get_args

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core.core_schema import ErrorType

import learner_service.errors
import reward_service.errors
from gateway.http.http_errors import HTTP_BY_GRPC
from gateway.invalid_fields import message_of
from gateway.reward_client import NO_COUNT_CODES
from learner_service.evaluation.row_scores import SCORES
from tally.job.choices import LossType
from tally.job.prompt_template import PromptTemplate
from tally.messages.convert import coded_message, read_coded
from tally.messages.languages import Language
from tally.messages.message import SENTENCES, Message, known_message
from tally.messages.service_errors import quote_service
from tally.reward.v1 import reward_pb2
from tally.rpc import errors
from tally.rpc.errors import TallyError, status_of

ROOT = Path(__file__).parents[3]
REPORT_TEMPLATE = "learner_service/evaluation/templates/report.html.j2"
# Of what the replicas give.
LIMITS = {"most_completions", "most_new_tokens"}
# What a worker fails with that no caller of the gateway is told of.
OF_WORKERS = {"data_loss", "resource_exhausted", "unavailable"}
# What makes messages.
SPEAKING = ("gateway", "learner_service", "tally/messages")
ENGLISH, CHINESE = SENTENCES[Language.ENGLISH], SENTENCES[Language.CHINESE]
QUOTE = "{explanation}"
HAN = re.compile("[\u4e00-\u9fff]")
# What is said of an answer is put together anew in Chinese, out of the answer.
ANSWERS = set(NO_COUNT_CODES.values()) | {"answer_without_count"}


# Of calls that the gateway does not make, or of which it tells nobody.
NEVER_COME = {
    reward_service.errors.BadTrueCount,
    learner_service.errors.HostRefused,
    learner_service.errors.JobInUse,
    learner_service.errors.Superseded,
}


def names_in(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


def messages() -> Iterator[tuple[str, str, set[str]]]:
    """Every Message that the code makes: where, its code, the names of its values."""
    for path in chain.from_iterable(sorted((ROOT / one).rglob("*.py")) for one in SPEAKING):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Message":
                values = {keyword.arg or "" for keyword in node.keywords}
                for code in chain.from_iterable(map(codes_in, node.args)):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", code, values


def codes_in(argument: ast.expr) -> Iterator[str]:
    """A code, or the two of a choice; none of one that is put together."""
    if isinstance(argument, ast.Constant):
        yield str(argument.value)
    elif isinstance(argument, ast.IfExp):
        yield from codes_in(argument.body)
        yield from codes_in(argument.orelse)


def put_together() -> set[str]:
    """The codes that name a model or a score, those of the report's template, those of a table."""
    models = {"base", "adapter"}
    cautions = {f"{one}_{what}" for one in models for what in ("silent", "collapsed", "absurd")}
    figures = {f"figure_{name}" for name in SCORES}
    shown = {f"report_{one}" for one in (*models, "difference")}
    template = (ROOT / REPORT_TEMPLATE).read_text("utf-8")
    return (
        cautions
        | figures
        | shown
        | LIMITS
        | OF_WORKERS
        | set(re.findall(r'"(report_\w+[a-z])"', template))
    )


def codes_of_settings() -> set[str]:
    """What is wrong with a setting of a job, beside what pydantic finds."""
    trees = [ast.parse(path.read_text()) for path in sorted((ROOT / "tally" / "job").glob("*.py"))]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    errors = [call for call in calls if ast.unparse(call.func) == "PydanticCustomError"]
    return {ast.literal_eval(error.args[0]) for error in errors}


def refusals_of_services() -> list[type[TallyError]]:
    modules = (errors, learner_service.errors, reward_service.errors)
    kinds = {kind for module in modules for kind in vars(module).values() if is_error(kind)}
    refused = (kind for kind in kinds - NEVER_COME if HTTP_BY_GRPC[status_of(kind(""))] < 500)
    return sorted(refused, key=lambda kind: kind.__name__)


def is_error(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, TallyError)


def test_every_language_has_the_same_codes_in_the_same_order():
    assert list(ENGLISH) == list(CHINESE)


def test_a_sentence_names_the_same_values_in_every_language():
    for code in ENGLISH.keys() - ANSWERS:
        assert names_in(ENGLISH[code]) == names_in(CHINESE[code]), code


def test_an_answer_is_judged_in_the_words_of_the_reward_service_or_in_chinese():
    for code in ANSWERS:
        assert ENGLISH[code] == QUOTE
        assert names_in(CHINESE[code]) <= {"answer"}, code


def test_chinese_is_written_in_traditional_characters():
    for code in CHINESE.keys() - {"at", "report_said", "report_sentence"}:
        assert HAN.search(CHINESE[code]), code
        CHINESE[code].encode("cp950")  # which has none of the simplified ones


def test_every_place_gives_what_the_sentences_name():
    for place, code, values in messages():
        assert code in ENGLISH, f"{place}: {code}"
        named = names_in(ENGLISH[code]) | names_in(CHINESE[code])
        assert values == named, f"{place}: {code}"


def test_every_code_is_used():
    made = {code for _, code, _ in messages()}
    given = {
        *put_together(),
        *ANSWERS,
        *get_args(ErrorType),
        *codes_of_settings(),
        "unknown_field",
        "no_object",
    }
    quoted = {quote_service(kind("")).code for kind in refusals_of_services()}
    assert ENGLISH.keys() - made - given - quoted == set()


@pytest.mark.parametrize("kind", refusals_of_services())
def test_what_a_service_refuses_has_a_code_and_its_own_words(kind: type[TallyError]):
    message = quote_service(kind("spec: bad"))
    assert message.code == re.sub(r"(?<!^)([A-Z])", r"_\1", kind.__name__).lower()
    assert str(message) == "spec: bad"
    assert message.say(Language.CHINESE).endswith("：spec: bad")


def test_a_code_of_another_release_gives_way_to_that_of_its_status():
    error = errors.NotFound("gone")
    error.code = "no_sentence_here"
    assert quote_service(error).code == "not_found"


def test_every_reason_of_the_reward_service_has_a_code():
    reasons = set(reward_pb2.NoCountReason.values())
    assert set(NO_COUNT_CODES) == reasons - {reward_pb2.NO_COUNT_REASON_UNSPECIFIED}


class Body(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    text: Annotated[str, Field(min_length=1, max_length=3, pattern="^a+$")] = "a"
    whole: Annotated[int, Field(gt=0, lt=9)] = 1
    number: Annotated[float, Field(ge=0, le=9)] = 1.0
    flag: bool = False
    share: Annotated[float, Field(le=0.5)] = 0.1
    items: Annotated[list[int], Field(max_length=2)] = []
    kind: LossType = LossType.DAPO
    prompt: PromptTemplate = PromptTemplate()


@pytest.mark.parametrize(
    ("code", "given"),
    [
        ("string_type", {"text": 3}),
        ("string_too_short", {"text": ""}),
        ("string_too_long", {"text": "aaaa"}),
        ("string_pattern_mismatch", {"text": "b"}),
        ("int_type", {"whole": "3"}),
        ("greater_than", {"whole": 0}),
        ("less_than", {"whole": 9}),
        ("float_type", {"number": "3"}),
        ("finite_number", {"number": float("nan")}),
        ("greater_than_equal", {"number": -1.0}),
        ("less_than_equal", {"number": 10.0}),
        ("bool_type", {"flag": 1}),
        ("list_type", {"items": {}}),
        ("too_long", {"items": [1, 2, 3]}),
        ("enum", {"kind": "ppo"}),
        ("less_than_equal", {"share": 0.6}),
        ("placeholder_count", {"prompt": {"question_template": "How many?"}}),
        ("control_codes", {"prompt": {"system_prompt": "\0"}}),
    ],
)
def test_pydantics_own_sentences_are_kept(code: str, given: dict[str, object]):
    with pytest.raises(ValidationError) as caught:
        Body.model_validate(given)
    [item] = caught.value.errors()
    message = message_of(item)
    assert (message.code, str(message)) == (code, item["msg"])
    assert HAN.search(message.say(Language.CHINESE))


@pytest.mark.parametrize(
    ("code", "given"),
    [
        ("int_parsing", {"whole": "x"}),
        ("int_parsing_size", {"whole": "9" * 5_000}),
        ("bool_parsing", {"flag": "x"}),
    ],
)
def test_what_comes_as_text_is_read_by_pydantic_too(code: str, given: dict[str, object]):
    with pytest.raises(ValidationError) as caught:
        Body.model_validate(given, strict=False)
    [item] = caught.value.errors()
    assert (message_of(item).code, str(message_of(item))) == (code, item["msg"])


def test_what_pydantic_says_beyond_that_keeps_its_words():
    item = {"type": "url_parsing", "loc": ("body",), "msg": "Input should be a valid URL"}
    assert message_of(item).code == "invalid_value"
    assert str(message_of(item)) == item["msg"]


def test_a_message_within_a_message_is_said_in_the_same_language():
    message = Message("at", where=Message("row", number=3), message=Message("nul_byte"))
    assert str(message) == "row 3: holds a NUL byte; leave it out"
    assert message.say(Language.CHINESE) == "第 3 列：含有 NUL 位元組；請刪除"


def test_a_message_is_the_same_after_json_and_after_the_wire():
    inner = Message("for_each_process", processes=3)
    message = Message("memory_needed", need=9.26, have=8.0, each=inner, more="")
    for again in (
        Message.of_json(json.loads(json.dumps(message.as_json(), allow_nan=False))),
        read_coded(coded_message(message)),
    ):
        for language in Language:
            assert again.say(language) == message.say(language)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_of_json_is_said_in_english(value: float):
    message = Message("memory_needed", need=value, have=8.0, each="", more="")
    stored = json.loads(json.dumps(message.as_json(), allow_nan=False))
    said = known_message(stored, "much is needed")
    assert str(said) in ("much is needed", str(message))
