"""Models in this process: what they compute, their adapters, and what is said of folders that cannot be used."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from local_models import character_tokenizer, tiny_model, tiny_module

from textgrad_agents.engines.local import LocalModel
from textgrad_agents.errors import ConfigError, FileFormatError

PROMPT, ACTION = [5, 9, 40, 7, 12], [33, 8, 21, 2]


def shaken(model: LocalModel, name: str, seed: int = 1) -> None:
    """Give an adapter weights that change something."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for _, parameter in model.trainable(name):
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    model.updated(name)


def logprobs(model: LocalModel, **how: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.token_logprobs(PROMPT, ACTION, **how)


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_log_probabilities_are_those_of_transformers(kind: str, temperature: float) -> None:
    module = tiny_module(kind, dtype=torch.float64)
    model = LocalModel.of(tiny_module(kind, dtype=torch.float64), character_tokenizer(), name="tiny")
    with torch.no_grad():
        rows = torch.log_softmax(module(torch.tensor([PROMPT + ACTION])).logits[0] / temperature, -1)
    expected = [rows[len(PROMPT) - 1 + place, token].item() for place, token in enumerate(ACTION)]
    torch.testing.assert_close(
        logprobs(model, temperature=temperature), torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-12
    )


def test_a_fresh_adapter_changes_no_bit() -> None:
    model = tiny_model()
    before = logprobs(model)
    model.add_adapter("fresh")
    assert torch.equal(logprobs(model, adapter="fresh"), before)
    assert torch.equal(logprobs(model), before)


def test_adapters_are_independent_and_switch_off() -> None:
    model = tiny_model("qwen2")
    base = logprobs(model)
    model.add_adapter("one", seed=1)
    model.add_adapter("two", seed=2, rank=4)
    shaken(model, "one", 1)
    one = logprobs(model, adapter="one")
    shaken(model, "two", 2)
    two = logprobs(model, adapter="two")
    assert not torch.allclose(one, base)
    assert not torch.allclose(one, two)
    assert torch.equal(logprobs(model, adapter="one"), one)
    assert torch.equal(logprobs(model), base)
    with model.use("one"):
        with model.use("two"):
            assert torch.equal(logprobs(model, adapter="two"), two)
        with model.use(None):
            assert torch.equal(logprobs(model), base)
        inside = model.forward_logits(model.tensor(PROMPT)[None])
    with model.use(None):
        assert not torch.allclose(inside, model.forward_logits(model.tensor(PROMPT)[None]))


def test_gradients_reach_one_adapter_even_when_the_reference_is_computed_in_between() -> None:
    model = tiny_model()
    model.add_adapter("one", seed=1)
    model.add_adapter("two", seed=2)
    shaken(model, "one")
    with model.use("one"):
        scored = model.token_logprobs(PROMPT, ACTION, adapter="one")
        logprobs(model)
        scored.sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for _, parameter in model.trainable("one"))
    assert all(parameter.grad is None for _, parameter in model.trainable("two"))
    names = {name for name, _ in model.trainable("one")} | {name for name, _ in model.trainable("two")}
    others = [parameter for name, parameter in model.module.named_parameters() if name not in names]
    assert not any(parameter.requires_grad for parameter in others)


def test_the_first_weights_follow_their_seed_and_leave_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one, same, other = tiny_model(), tiny_model(), tiny_model()
    hashes = [model.add_adapter("solver", seed=seed).sha256 for model, seed in ((one, 3), (same, 3), (other, 4))]
    assert torch.equal(torch.get_rng_state(), state)
    assert hashes[0] == hashes[1] != hashes[2]


def test_versions_and_hashes_follow_updates() -> None:
    model = tiny_model()
    first = model.add_adapter("solver")
    assert (first.version, first.base) == (0, model.base_hash)
    shaken(model, "solver")
    second = model.adapter("solver")
    assert second.version == 1
    assert second.sha256 != first.sha256
    assert model.adapters == (second,)


def test_the_base_hash_tells_models_apart_but_not_number_formats() -> None:
    assert tiny_model(seed=0).base_hash == tiny_model(seed=0, dtype=torch.bfloat16).base_hash
    assert tiny_model(seed=0).base_hash != tiny_model(seed=1).base_hash


def test_an_adapter_survives_its_folder(tmp_path: Path) -> None:
    model = tiny_model()
    model.add_adapter("solver", rank=4)
    shaken(model, "solver")
    saved = model.save_adapter("solver", tmp_path / "adapter")
    other = tiny_model()
    loaded = other.load_adapter(tmp_path / "adapter", "other")
    assert (loaded.name, loaded.version, loaded.sha256) == ("other", 1, saved.sha256)
    assert torch.equal(logprobs(other, adapter="other"), logprobs(model, adapter="solver"))
    shaken(other, "other", 7)
    other.load_adapter(tmp_path / "adapter", "other")
    assert torch.equal(logprobs(other, adapter="other"), logprobs(model, adapter="solver"))


def test_peft_reads_the_folder(tmp_path: Path) -> None:
    import peft

    model = tiny_model()
    model.add_adapter("solver")
    shaken(model, "solver")
    model.save_adapter("solver", tmp_path)
    theirs = peft.PeftModel.from_pretrained(tiny_module(), str(tmp_path))
    with torch.no_grad(), model.use("solver"):
        ours = model.forward_logits(model.tensor(PROMPT)[None])
        assert torch.equal(theirs(torch.tensor([PROMPT])).logits, ours)


def test_adapters_of_another_base_or_damaged_ones_are_refused(tmp_path: Path) -> None:
    model = tiny_model()
    model.add_adapter("solver")
    model.save_adapter("solver", tmp_path)
    with pytest.raises(ConfigError, match="trained on a base model with the hash"):
        tiny_model(seed=1).load_adapter(tmp_path, "solver")
    model.add_adapter("scaled", alpha=4)
    with pytest.raises(ConfigError, match="is scaled by 16/8 and 'scaled' by 4/8"):
        model.load_adapter(tmp_path, "scaled")
    model.add_adapter("narrow", rank=2, alpha=4)
    with pytest.raises(ConfigError, match="other names or shapes"):
        model.load_adapter(tmp_path, "narrow")
    weights = tmp_path / "adapter_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileFormatError, match="damaged"):
        model.load_adapter(tmp_path, "other")
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(FileFormatError, match="not those that were saved"):
        model.load_adapter(tmp_path, "other")
    weights.rename(tmp_path / "adapter_model.bin")
    with pytest.raises(FileFormatError, match="pickles"):
        model.load_adapter(tmp_path, "other")


def test_names_of_adapters_are_checked() -> None:
    model = tiny_model()
    model.add_adapter("solver")
    for name in ("solver", "a.b", "", "lora"):
        with pytest.raises(ConfigError, match="is taken or no name"):
            model.add_adapter(name)
    with pytest.raises(ConfigError, match="has no adapter 'other'"):
        logprobs(model, adapter="other")
    with pytest.raises(ConfigError, match="does not fit"):
        model.add_adapter("other", targets=["no_such_module"])
    with pytest.raises(ConfigError, match="at least 1"):
        model.add_adapter("other", rank=0)
    with pytest.raises(ConfigError, match="nothing before it"):
        model.token_logprobs([], ACTION)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tiny_module().save_pretrained(folder)
    character_tokenizer().save_pretrained(folder)
    return folder


def test_a_folder_is_loaded(saved: Path) -> None:
    model = LocalModel.load(saved, device="cpu")
    assert model.dtype == torch.float32
    assert model.base_hash == tiny_model().base_hash == LocalModel.load(saved, device="cpu", dtype="bfloat16").base_hash
    assert torch.equal(logprobs(model), logprobs(tiny_model()))


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("config.json", "has no config.json"),
        ("model.safetensors", "no safetensors weights"),
        ("tokenizer*", "has no tokenizer"),
        ("chat_template*", "has no chat template"),
    ],
)
def test_a_folder_that_lacks_something_is_one_clear_error(saved: Path, tmp_path: Path, gone: str, said: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(saved, folder)
    for file in folder.glob(gone):
        file.unlink()
    with pytest.raises(ConfigError, match=said):
        LocalModel.load(folder, device="cpu")


def test_what_is_not_there_is_said(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no model folder"):
        LocalModel.load(tmp_path / "nothing")
    with pytest.raises(ConfigError, match="is not known; use auto"):
        LocalModel.load(saved, device="tpu")
    with pytest.raises(ConfigError, match="dtype 'int8' is not known"):
        LocalModel.load(saved, device="cpu", dtype="int8")
    with pytest.raises(ConfigError, match="CUDA devices are here"):
        LocalModel.load(saved, device=f"cuda:{torch.cuda.device_count()}")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_a_model_is_bfloat16_beside_float32_adapters(saved: Path) -> None:
    model = LocalModel.load(saved)
    model.add_adapter("solver")
    assert (model.device.type, model.dtype) == ("cuda", torch.bfloat16)
    assert {parameter.dtype for _, parameter in model.trainable("solver")} == {torch.float32}
    assert torch.equal(logprobs(model, adapter="solver"), logprobs(model))
    torch.testing.assert_close(logprobs(model).cpu(), logprobs(tiny_model()), rtol=0.05, atol=0.05)
