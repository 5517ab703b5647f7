"""Questions to prompt token ids, by the model's own chat template, and answers back to text."""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import lru_cache
from typing import Self

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from learner_service.clients.rollouts import Completion, Prompt, RolloutModel
from learner_service.data.asked import question_turns, within_template
from learner_service.data.count_form import Answered, WrittenCounts, write_counts
from learner_service.data.dataset import Row
from learner_service.data.turns import Turn
from learner_service.models import read_supported
from learner_service.tokenizers import load_tokenizer
from tally.families.grid import ImageGrid
from tally.job.prompt_template import PLAIN, PromptTemplate
from tally.rpc.digests import vocabulary_fingerprint
from tally.rpc.errors import FailedPrecondition, InvalidArgument


class PromptBuilder:
    """Knows the chat template; the placeholder is repeated once per image token.

    `closing_text` ends a turn where the tokenizer spells it with several tokens.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, image_token_id: int, closing_text: str = ""
    ) -> None:
        self._tokenizer = tokenizer
        self._image_token_id = image_token_id
        image_tokens = tokenizer.convert_ids_to_tokens([image_token_id])
        specials = (*tokenizer.all_special_tokens, *image_tokens, closing_text)
        self._specials = tuple(filter(None, specials))
        # Rows come again with every epoch, and many share a question.
        self._kept_ids = lru_cache(maxsize=1024)(self._question_ids)

    def prompt_ids(
        self, question: str, image_tokens: int, template: PromptTemplate = PLAIN
    ) -> list[int]:
        """[prompt tokens], ending where the model's answer begins."""
        return list(self._kept_ids(question, image_tokens, template))

    def _question_ids(
        self, question: str, image_tokens: int, template: PromptTemplate
    ) -> tuple[int, ...]:
        return self.chat_ids(question_turns(question, template), image_tokens)

    def chat_ids(self, turns: Sequence[Turn], image_tokens: int) -> tuple[int, ...]:
        """[prompt tokens] of a conversation with one image at most.

        Raises InvalidArgument where the chat template has no room for such turns.
        """
        text = self.render(turns)
        # As transformers' processors do: a template may leave the first token to the tokenizer.
        has_first = bool(self._tokenizer.bos_token) and text.startswith(self._tokenizer.bos_token)
        ids = self._tokenizer(text, add_special_tokens=not has_first)["input_ids"]
        if not any(turn.has_image for turn in turns):
            return tuple(ids)
        place = ids.index(self._image_token_id)
        return (*ids[:place], *[self._image_token_id] * image_tokens, *ids[place + 1 :])

    def render(self, turns: Sequence[Turn]) -> str:
        """The conversation as the chat template has it, with one placeholder for the image.

        Raises as chat_ids.
        """
        spoken = [replace(turn, text=self._without_specials(turn.text)) for turn in turns]
        try:
            return str(
                self._tokenizer.apply_chat_template(
                    [turn.as_message() for turn in spoken],
                    tokenize=False,
                    add_generation_prompt=True,
                )
            )
        except TemplateError as error:
            message = f"messages: the chat template of this model does not take them: {error}"
            raise InvalidArgument(message) from error

    def _without_specials(self, question: str) -> str:
        """A question that spells out a special token must not become one."""
        for token in self._specials:
            question = question.replace(token, " ")
        return question


class Prompter:
    """Rows to prompts, completions to text; needs no weights of the model.

    Questions are asked as `template` has them.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        image_token_id: int,
        grid: ImageGrid,
        closing_text: str = "",
        template: PromptTemplate = PLAIN,
    ) -> None:
        self.grid = grid
        self._template = template
        self._tokenizer = tokenizer
        self._closing_text = closing_text
        self._builder = PromptBuilder(tokenizer, image_token_id, closing_text)
        # Of a few forms all answers are, in every step.
        self._kept_counts = lru_cache(maxsize=1024)(self._write_counts)

    @classmethod
    def of_model(cls, source: str) -> "Prompter":
        """`source` is a folder or a hub name; raises UnknownModel for a family that is not here."""
        config, family = read_supported(source)
        return cls(
            load_tokenizer(source),
            family.image_token_id(config),
            family.grid(config, family.load_image_processor(source)),
            family.closing_text,
        )

    def asking(self, template: PromptTemplate) -> Self:
        """The same, with the questions of another job."""
        other = copy(self)
        other._template = template
        return other

    def render(self, question: str) -> str:
        """What the model is given for a question, with one placeholder for the image."""
        return self._builder.render(question_turns(question, self._template))

    def prompt(self, row: Row, seed: int) -> Prompt:
        tokens = self.grid.tokens(row.width, row.height)
        return Prompt(
            token_ids=tuple(self._builder.prompt_ids(row.question, tokens, self._template)),
            image_digest=row.image_digest,
            seed=seed,
        )

    def chat_ids(
        self, turns: Sequence[Turn], image_size: tuple[int, int] | None = None
    ) -> tuple[int, ...]:
        """[prompt tokens] of a conversation; `image_size` is width and height in pixels."""
        tokens = self.grid.tokens(*image_size) if image_size else 0
        return self._builder.chat_ids(within_template(turns, self._template), tokens)

    def answer(self, completion: Completion) -> str:
        [text] = self._tokenizer.batch_decode([[*completion.token_ids]], skip_special_tokens=True)
        return str(text).removesuffix(self._closing_text)

    def written_counts(
        self,
        completion: Completion,
        span: tuple[int, int] | None,
        last_count: int,
        max_new_tokens: int,
    ) -> WrittenCounts:
        """The answer with each of 0 to `last_count` where its count stands; raises NoCountForm."""
        answered = Answered(token_ids=completion.token_ids, text=self.answer(completion), span=span)
        return self._kept_counts(answered, last_count, max_new_tokens)

    def _write_counts(
        self, answered: Answered, last_count: int, max_new_tokens: int
    ) -> WrittenCounts:
        return write_counts(answered, last_count, max_new_tokens, self._encode_texts)

    def _encode_texts(self, texts: Sequence[str]) -> list[list[int]]:
        encoded: list[list[int]] = self._tokenizer([*texts], add_special_tokens=False)["input_ids"]
        return encoded

    def agree_on_tokens(self, served: RolloutModel, base_model: str) -> None:
        """Raises FailedPrecondition for replicas whose token ids mean something else."""
        own = vocabulary_fingerprint(self._tokenizer.get_vocab())
        if served.vocabulary_fingerprint != own:
            raise FailedPrecondition(
                f"the rollout replicas serve {served.base_model}, whose tokens are not those of "
                f"{base_model}; start replicas of the same model"
            )
