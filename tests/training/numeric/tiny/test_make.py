"""Making a model: deterministic, learning, read back by transformers. The real one in slow tests alone."""

import random
import sys

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from envs.math_tasks.short_problems import read_marked_answer, short_problems  # noqa: E402
from textgrad_agents.errors import ConfigError  # noqa: E402
from training.commands import models  # noqa: E402
from training.numeric.tiny import START, WORDS, Recipe, tiny_model  # noqa: E402
from training.numeric.tiny.data import draw_example  # noqa: E402
from training.numeric.tiny.make import make_model  # noqa: E402

SHORT = Recipe(width=16, layers=1, hidden=32, positions=128, steps=12, batch=8, warmup=3)


def load(folder):
    transformers.utils.logging.disable_progress_bar()
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    return model, transformers.AutoTokenizer.from_pretrained(folder)


def loss_of(model, tokenizer):
    """Mean cross-entropy of replies to examples of a fixed seed."""
    chance, losses = random.Random(99), []
    for _ in range(64):
        prompt, task, reply = draw_example(chance)
        chat = [{"role": "system", "content": prompt}, {"role": "user", "content": task}]
        before = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        ids = torch.tensor([tokenizer.encode(before + reply, add_special_tokens=False)])
        with torch.no_grad():
            logprobs = model(ids).logits[0, :-1].log_softmax(-1)
        chosen = logprobs.gather(-1, ids[0, 1:, None])[-len(reply) :]
        losses.append(-chosen.mean().item())
    return sum(losses) / len(losses)


def test_the_same_recipe_gives_the_same_bytes_and_another_seed_does_not(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        make_model(SHORT, tmp_path / name, lambda _: None)
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two
    assert {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json"} <= one.keys()
    assert not [name for name in one if name.endswith((".bin", ".pt", ".pkl"))]


def test_making_leaves_the_process_as_it_was(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    make_model(SHORT, tmp_path, lambda _: None)
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


def test_a_model_is_read_back_and_has_learnt(tmp_path):
    told = []
    longer = Recipe(width=32, layers=1, hidden=64, positions=128, steps=80, batch=16, warmup=10, rate=1e-2)
    before = tiny_model(SHORT, tmp_path)
    after = tiny_model(longer, tmp_path, told=lambda done, of: told.append((done, of)))
    assert told == [(done, 80) for done in range(1, 81)]
    model, tokenizer = load(after)
    assert isinstance(model, transformers.LlamaForCausalLM)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert loss_of(model, tokenizer) < 0.8 * loss_of(*load(before))


def test_the_command_makes_a_model_and_says_where_it_is(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("training.numeric.tiny.recipe.RECIPES", {"tiny": SHORT})
    assert models.main(["make", "tiny", "--cache", str(tmp_path)]) == 0
    said = "".join(capsys.readouterr().out.split())
    assert f"tinyisin{tmp_path}/tiny-{SHORT.key}" in said
    with pytest.raises(ConfigError, match="built-in models are"):
        models.main(["make", "large"])


def test_without_torch_the_way_to_get_it_is_said(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "training.numeric.tiny.make")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ConfigError, match=r"needs torch.*textgrad-agents\[rl\]"):
        tiny_model(SHORT, tmp_path)


def accuracy(model, tokenizer, word, problems, *, greedy):
    texts = [
        tokenizer.apply_chat_template(
            [{"role": "system", "content": word}, {"role": "user", "content": problem.text}],
            add_generation_prompt=True,
            tokenize=False,
        )
        for problem in problems
    ]
    batch = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False, return_token_type_ids=False)
    torch.manual_seed(0)
    how = {"do_sample": False} if greedy else {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0}
    with torch.no_grad():
        replies = model.generate(**batch, max_new_tokens=28, **how)[:, batch["input_ids"].shape[1] :]
    texts = tokenizer.batch_decode(replies, skip_special_tokens=True)
    return sum(read_marked_answer(text) == p.answer for text, p in zip(texts, problems, strict=True)) / len(problems)


@pytest.fixture(scope="session")
def tiny():
    return load(tiny_model())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_each_channel_has_something_to_gain_on_the_real_tiny_model(tiny):
    shop, reverse, count = (short_problems(family, "test", 300) for family in ("shop", "reverse", "count"))
    start = accuracy(*tiny, START, shop, greedy=True)
    assert accuracy(*tiny, "steps:", shop, greedy=True) > start + 0.05
    assert start > 0.4  # and some of the samples are right, so that updates of the weights have something to choose
    assert accuracy(*tiny, "steps:", reverse, greedy=True) > 0.5
    assert max(accuracy(*tiny, word, reverse, greedy=False) for word in WORDS if word != "steps:") < 0.02
    assert max(accuracy(*tiny, word, count, greedy=True) for word in WORDS) < 0.3
    assert min(accuracy(*tiny, word, count, greedy=False) for word in WORDS) > 0.2
