"""Questions to prompt token ids, by the model's own chat template, and answers back to text."""

from functools import lru_cache
from typing import Any

from transformers import PreTrainedTokenizerBase

from learner_service.clients.rollouts import Completion, Prompt, RolloutModel
from learner_service.data.dataset import Row
from learner_service.models import read_supported
from learner_service.tokenizers import load_tokenizer
from tally.families.grid import ImageGrid
from tally.rpc.digests import vocabulary_fingerprint
from tally.rpc.errors import FailedPrecondition


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
        self._kept_ids = lru_cache(maxsize=1024)(self._compute_ids)

    def prompt_ids(self, question: str, image_tokens: int) -> list[int]:
        """[prompt tokens], ending where the model's answer begins."""
        return list(self._kept_ids(question, image_tokens))

    def _compute_ids(self, question: str, image_tokens: int) -> tuple[int, ...]:
        content = [{"type": "image"}, {"type": "text", "text": self._without_specials(question)}]
        messages: list[Any] = [{"role": "user", "content": content}]
        text = str(
            self._tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True
            )
        )
        # As transformers' processors do: a template may leave the first token to the tokenizer.
        has_first = bool(self._tokenizer.bos_token) and text.startswith(self._tokenizer.bos_token)
        ids = self._tokenizer(text, add_special_tokens=not has_first)["input_ids"]
        place = ids.index(self._image_token_id)
        return (*ids[:place], *[self._image_token_id] * image_tokens, *ids[place + 1 :])

    def _without_specials(self, question: str) -> str:
        """A question that spells out a special token must not become one."""
        for token in self._specials:
            question = question.replace(token, " ")
        return question


class Prompter:
    """Rows to prompts, completions to text; needs no weights of the model."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        image_token_id: int,
        grid: ImageGrid,
        closing_text: str = "",
    ) -> None:
        self.grid = grid
        self._tokenizer = tokenizer
        self._closing_text = closing_text
        self._builder = PromptBuilder(tokenizer, image_token_id, closing_text)

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

    def prompt(self, row: Row, seed: int) -> Prompt:
        tokens = self.grid.tokens(row.width, row.height)
        return Prompt(
            token_ids=tuple(self._builder.prompt_ids(row.question, tokens)),
            image_digest=row.image_digest,
            seed=seed,
        )

    def answer(self, completion: Completion) -> str:
        [text] = self._tokenizer.batch_decode([[*completion.token_ids]], skip_special_tokens=True)
        return str(text).removesuffix(self._closing_text)

    def agree_on_tokens(self, served: RolloutModel, base_model: str) -> None:
        """Raises FailedPrecondition for replicas whose token ids mean something else."""
        own = vocabulary_fingerprint(self._tokenizer.get_vocab())
        if served.vocabulary_fingerprint != own:
            raise FailedPrecondition(
                f"the rollout replicas serve {served.base_model}, whose tokens are not those of "
                f"{base_model}; start replicas of the same model"
            )
