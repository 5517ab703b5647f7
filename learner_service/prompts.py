"""Questions to prompt token ids, by the model's own chat template."""

from transformers import PreTrainedTokenizerBase

_IMAGE_PLACEHOLDER = "<|image_pad|>"


class PromptBuilder:
    """Knows the chat template; the placeholder is repeated once per image token."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, image_token_id: int) -> None:
        self._tokenizer = tokenizer
        self._image_token_id = image_token_id

    def prompt_ids(self, question: str, image_tokens: int) -> list[int]:
        """[prompt tokens], ending where the model's answer begins."""
        content = [{"type": "image"}, {"type": "text", "text": self._without_specials(question)}]
        text = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
        ids = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        place = ids.index(self._image_token_id)
        return ids[:place] + [self._image_token_id] * image_tokens + ids[place + 1 :]

    def _without_specials(self, question: str) -> str:
        """A question that spells out a special token must not become one."""
        for token in (*self._tokenizer.all_special_tokens, _IMAGE_PLACEHOLDER):
            question = question.replace(token, " ")
        return question
