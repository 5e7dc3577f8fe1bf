"""A token per character; a prompt in pieces has the tokens of the whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

transformers = pytest.importorskip("transformers")

from training.numeric.tiny.tokenizer import CHARACTERS, END, ROLES, UNKNOWN, make_tokenizer  # noqa: E402

TOKENIZER = make_tokenizer(512)


def encode(text):
    return TOKENIZER.encode(text, add_special_tokens=False)


def test_there_are_64_characters():
    assert len(set(CHARACTERS)) == len(CHARACTERS) == 64
    assert len(TOKENIZER) == 64 + 3 + len(ROLES)


@given(st.text(alphabet=CHARACTERS, max_size=40))
def test_what_is_encoded_comes_back(text):
    assert TOKENIZER.decode(encode(text)) == text
    assert len(encode(text)) == len(text)


@given(st.text(max_size=20), st.text(max_size=20))
def test_pieces_have_the_tokens_of_the_whole(left, right):
    whole = encode(left + right)
    assert encode(left) + encode(right) == whole or "<|" in left + right


def test_capitals_are_written_small_and_other_signs_are_unknown():
    assert encode("Tom") == encode("tom")
    assert TOKENIZER.decode(encode("é")) == UNKNOWN


def test_the_chat_form():
    chat = [{"role": "system", "content": "steps:"}, {"role": "user", "content": "1?"}]
    text = TOKENIZER.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    assert text == "<|system|>steps:<|user|>1?<|assistant|>"
    told = [*chat, {"role": "assistant", "content": "#1"}, {"role": "user", "content": "2?"}]
    text = TOKENIZER.apply_chat_template(told, add_generation_prompt=False, tokenize=False)
    assert text == "<|system|>steps:<|user|>1?<|assistant|>#1<|end|><|user|>2?"
    assert TOKENIZER.eos_token == END


def test_marks_are_one_token_and_no_part_of_a_reply():
    assert len(encode("<|system|>")) == 1
    assert TOKENIZER.decode([*encode("#19"), TOKENIZER.eos_token_id], skip_special_tokens=True) == "#19"


def test_it_is_read_back_from_its_folder(tmp_path):
    TOKENIZER.save_pretrained(tmp_path)
    again = transformers.AutoTokenizer.from_pretrained(tmp_path)
    text = "<|system|>steps:<|user|>tom has 12 pens.\nhow many?<|assistant|>"
    assert again.encode(text, add_special_tokens=False) == encode(text)
    assert again.chat_template == TOKENIZER.chat_template
