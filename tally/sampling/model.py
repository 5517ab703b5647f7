"""The model that an engine samples from, with what belongs to it."""

from dataclasses import dataclass
from itertools import count
from typing import Any

import torch

from tally.families.family import Family
from tally.families.grid import ImageGrid
from tally.rpc.digests import vocabulary_fingerprint
from tally.sampling.engine import GenerationRequest, ModelDescription


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model with what belongs to it; `use_4bit` where its language model is held in 4 bits."""

    name: str
    family: Family
    model: Any
    tokenizer: Any
    image_processor: Any
    device: torch.device
    use_4bit: bool
    stop_token_ids: tuple[int, ...]
    barred_token_ids: tuple[int, ...]

    @classmethod
    def of(
        cls,
        name: str,
        family: Family,
        model: Any,
        *,
        tokenizer: Any,
        image_processor: Any,
        device: torch.device,
        use_4bit: bool,
    ) -> "LoadedModel":
        """With the tokens that close a completion, and those that are never sampled."""
        stop = stop_token_ids(model, tokenizer, family.closing_text)
        vocabulary_size = model.get_output_embeddings().out_features
        return cls(
            name=name,
            family=family,
            model=model,
            tokenizer=tokenizer,
            image_processor=image_processor,
            device=device,
            use_4bit=use_4bit,
            stop_token_ids=stop,
            barred_token_ids=barred_token_ids(tokenizer, stop, vocabulary_size),
        )

    @property
    def head(self) -> Any:
        """Hidden states to logits."""
        return self.model.get_output_embeddings()

    @property
    def vocabulary_size(self) -> int:
        return int(self.head.out_features)

    @property
    def grid(self) -> ImageGrid:
        return self.family.grid(self.model.config, self.image_processor)

    @property
    def image_token_id(self) -> int:
        return self.family.image_token_id(self.model.config)


def describe(
    loaded: LoadedModel,
    *,
    engine: str,
    max_sequence_tokens: int,
    temperatures: tuple[float, float] = (0.0, 10.0),
) -> ModelDescription:
    """`temperatures`: the least and the most that the engine samples at. No sequence is longer
    than the model's own limit, whatever `max_sequence_tokens` is."""
    config = loaded.model.config
    longest = config.get_text_config().max_position_embeddings
    return ModelDescription(
        base_model=loaded.name,
        engine=engine,
        vocabulary_fingerprint=vocabulary_fingerprint(loaded.tokenizer.get_vocab()),
        vocabulary_size=loaded.vocabulary_size,
        max_sequence_tokens=min(max_sequence_tokens, longest),
        barred_token_ids=loaded.barred_token_ids,
        use_4bit=loaded.use_4bit,
        image_token_id=loaded.image_token_id,
        video_token_id=loaded.family.video_token_id(config),
        least_temperature=temperatures[0],
        most_temperature=temperatures[1],
    )


def warm_up_request(loaded: LoadedModel) -> GenerationRequest:
    barred = {loaded.image_token_id, loaded.family.video_token_id(loaded.model.config)}
    prompt = (next(number for number in count() if number not in barred),) * 8
    return GenerationRequest(
        prompt_token_ids=prompt, num_completions=2, temperature=1.0, max_new_tokens=2, seed=0
    )


def stop_token_ids(model: Any, tokenizer: Any, closing_text: str = "") -> tuple[int, ...]:
    """The ids that close a completion: the model's own, or else the tokenizer's.

    `closing_text` is among them where the tokenizer has one token for it.
    """
    closing = tokenizer.get_vocab().get(closing_text)
    own = _own_stop_ids(model, tokenizer)
    return own if closing is None or closing in own else (*own, closing)


def _own_stop_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    for ids in (model.generation_config.eos_token_id, model.config.get_text_config().eos_token_id):
        if ids is not None:
            return tuple(ids) if isinstance(ids, list) else (ids,)
    return (tokenizer.eos_token_id,)


def barred_token_ids(
    tokenizer: Any, stop_ids: tuple[int, ...], vocabulary_size: int
) -> tuple[int, ...]:
    """Every special or added token that closes nothing, and every id that has no token."""
    added = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    unused = range(len(tokenizer), vocabulary_size)
    return tuple(sorted((added | set(unused)) - set(stop_ids)))
