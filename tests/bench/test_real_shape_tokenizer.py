"""Qwen's tokenizer from a vocabulary of ranks; the ids are those that Qwen2.5-VL's own gives."""

import pytest

from bench.real_shape_tokenizer import build_tokenizer, find_merges


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


def test_a_merge_is_the_pair_that_is_left_once_lower_ones_are_done():
    ranks = {b"a": 0, b"b": 1, b"ba": 2, b"ab": 3, b"aba": 4, b"abab": 5}
    # ba comes before ab: aba is a + ba, and of a + ba + b no pair below is left but aba + b.
    assert list(find_merges(ranks)) == [(b"b", b"a"), (b"a", b"b"), (b"a", b"ba"), (b"aba", b"b")]


def test_text_has_qwens_ids(tokenizer):
    assert tokenizer("There are 12 apples.")["input_ids"] == [3862, 525, 220, 16, 17, 40676, 13]


def test_special_tokens_have_qwens_ids(tokenizer):
    names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|image_pad|>"]
    ids = [151643, 151644, 151645, 151652, 151655]
    assert tokenizer.convert_tokens_to_ids(names) == ids
    assert (tokenizer.eos_token_id, tokenizer.pad_token_id) == (151645, 151643)


def test_a_chinese_question_comes_back_whole(tokenizer):
    question = "這張圖片中有幾個蘋果？"
    assert tokenizer.decode(tokenizer(question)["input_ids"]) == question
