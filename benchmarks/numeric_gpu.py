"""The numeric path on an accelerator: a random-init model of Qwen2.5-0.5B's shape, bf16, LoRA of rank 16.

    python benchmarks/numeric_gpu.py [--device cuda] [--peak-tflops 790]
    python benchmarks/numeric_gpu.py --tiny --device cpu        # the same on a model of a few thousand parameters

Prints the learner's tokens per second and MFU on two bases, tokens per second of `generate`, and peak memory, with
prompts shared and not. *Useful* tokens are those of the rows (prompt and action of each), whether or not a prompt was
computed again; *computed* tokens are those that went through the model, padding included. Operations are 4 per token
and parameter of the base (it needs no gradient of its weights), 6 per one of the adapter, the head at scored tokens
alone, and attention to visible tokens; MFU divides them by `--peak-tflops`, on the basis of what was computed and of
what each row would need by itself. "With sampling" adds the time in which `generate` makes the actions to the step.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import torch
from local_models import character_tokenizer
from transformers import Qwen2Config, Qwen2ForCausalLM

from textgrad_agents.engines.local import LocalEngine, LocalModel
from textgrad_agents.interfaces import GenerateOptions
from textgrad_agents.messages import user
from training.numeric.algorithms import ALGORITHMS
from training.numeric.batch import micro_batches
from training.numeric.descent import Descent
from training.numeric.forward import Forward
from training.numeric.rows import Row
from training.numeric_config import NumericConfig

SHAPE: dict[str, Any] = {
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "vocab_size": 151_936,
    "max_position_embeddings": 32_768,
    "tie_word_embeddings": True,
}
TINY: dict[str, Any] = SHAPE | {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "vocab_size": 128,
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured row; tokens per second, fractions of the peak, GiB."""

    prompt: int
    action: int
    layout: str
    useful_per_s: float
    computed_per_s: float
    mfu_computed: float
    mfu_useful: float
    iteration_useful_per_s: float
    peak_gib: float


def make_model(tiny: bool, device: str) -> LocalModel:
    """The model with a fresh adapter."""
    shape = TINY if tiny else SHAPE
    torch.manual_seed(0)
    module = Qwen2ForCausalLM(Qwen2Config(**shape, pad_token_id=0, bos_token_id=None, eos_token_id=None))
    module = module.to(device, torch.float32 if device == "cpu" else torch.bfloat16)
    model = LocalModel.of(module, character_tokenizer(), name="random")
    model.add_adapter("policy", rank=16, alpha=32)
    return model


def make_rows(groups: int, members: int, prompt: int, action: int) -> list[Row]:
    """Random rows, every one with an advantage."""
    rng = np.random.default_rng(0)
    prompts = [rng.integers(4, 100, prompt).astype(np.int32) for _ in range(groups)]
    return [
        Row(
            prompts[index // members],
            rng.integers(4, 100, action).astype(np.int32),
            np.full(action, -4.6, np.float32),
            np.ones(action, np.bool_),
            reward=0.0,
            advantage=(-1.0) ** index,
        )
        for index in range(groups * members)
    ]


def synchronize(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def generate(model: LocalModel, requests: int, tokens: int, device: str) -> float:
    """Tokens per second of the local engine with `requests` at once."""
    engine = LocalEngine(model, "policy", max_batch=requests, max_tokens=tokens)

    async def sample() -> int:
        asked = (
            engine.generate([user(f"Question {number}")], GenerateOptions(temperature=1.0, seed=number))
            for number in range(requests)
        )
        replies = await asyncio.gather(*asked)
        return sum(len(one.trace.action_ids) for one in replies if one.trace is not None)

    asyncio.run(sample())  # warms up
    synchronize(device)
    started = time.perf_counter()
    made = asyncio.run(sample())
    synchronize(device)
    return made / (time.perf_counter() - started)


def operations(model: LocalModel, rows: list[Row], config: NumericConfig) -> tuple[float, float]:
    """Computed tokens of a step, and its floating-point operations (nothing that is computed twice)."""
    forward, settings = Forward(model.module), model.module.config
    adapter = sum(p.numel() for _, p in model.trainable("policy"))
    head = settings.vocab_size * settings.hidden_size
    body = sum(p.numel() for name, p in model.module.named_parameters() if "lora_" not in name) - head
    tokens = scored = compared = 0
    for batch in micro_batches(rows, range(len(rows)), config, forward):
        bins, length = batch.layout.input_ids_BL.shape
        visible = batch.layout.visible_BLL
        tokens += bins * length
        scored += len(batch.layout.targets_N)
        compared += bins * length * (length + 1) // 2 if visible is None else int(visible.sum())
    attention = 12.0 * compared * settings.hidden_size * settings.num_hidden_layers
    return tokens, tokens * (4.0 * body + 6.0 * adapter) + scored * 4.0 * head + attention


def measure(model: LocalModel, rows: list[Row], config: NumericConfig, device: str, peak: float, rate: float) -> Figure:
    """One optimizer step, after one that warms up."""
    descent = Descent(model, "policy", ALGORITHMS["dapo"], config)
    hints = [""] * len(rows)
    descent.run(rows, hints)
    synchronize(device)
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    descent.run(rows, hints)
    synchronize(device)
    seconds = time.perf_counter() - started
    memory = torch.cuda.max_memory_allocated() / 2**30 if device.startswith("cuda") else 0.0
    useful = sum(len(row.prompt_ids) + len(row.action_ids) for row in rows)
    actions = sum(len(row.action_ids) for row in rows)
    computed, flops = operations(model, rows, config)
    _, plain = operations(model, rows, config.model_copy(update={"layout": "padded"}))
    return Figure(
        prompt=len(rows[0].prompt_ids),
        action=len(rows[0].action_ids),
        layout=config.layout,
        useful_per_s=useful / seconds,
        computed_per_s=computed / seconds,
        mfu_computed=flops / seconds / peak,
        mfu_useful=plain / seconds / peak,
        iteration_useful_per_s=useful / (seconds + actions / rate),
        peak_gib=memory,
    )


def run(device: str, tiny: bool, peak_tflops: float) -> dict[str, Any]:
    """All figures, as JSON-like values."""
    model = make_model(tiny, device)
    groups, members, budget = (2, 4, 256) if tiny else (8, 16, 16_384)
    shapes = [(16, 8), (32, 4)] if tiny else [(512, 512), (1024, 256), (3072, 1024)]
    rate = generate(model, requests=8 if tiny else 256, tokens=8 if tiny else 256, device=device)
    figures = [
        measure(
            model,
            make_rows(groups, members, prompt, action),
            NumericConfig(
                layout=layout, token_budget=budget, updates_per_batch=1, gradient_checkpointing=action > 512, lr=1e-6
            ),
            device,
            peak_tflops * 1e12,
            rate,
        )
        for prompt, action in shapes
        for layout in ("padded", "shared")
    ]
    parameters = sum(p.numel() for name, p in model.module.named_parameters() if "lora_" not in name)
    return {"parameters": parameters, "generate_per_s": rate, "learner": [asdict(one) for one in figures]}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--tiny", action="store_true", help="a model of a few thousand parameters")
    parser.add_argument("--peak-tflops", type=float, default=790.0, help="what the device does at best in bf16")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    if arguments.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("there is no CUDA device here; use --device cpu --tiny")
    found = run(arguments.device, arguments.tiny, arguments.peak_tflops)
    if arguments.json:
        print(json.dumps(found))
        return
    device = torch.cuda.get_device_name() if arguments.device.startswith("cuda") else "CPU"
    print(f"{found['parameters']:,} parameters on {device}, torch {torch.__version__}")
    print(f"generate: {found['generate_per_s']:,.0f} tokens/s\n")
    print("| prompt + action | layout | useful tok/s | computed tok/s | MFU computed / useful | with sampling | peak |")
    print("|---|---|---|---|---|---|---|")
    for one in found["learner"]:
        print(
            f"| {one['prompt']} + {one['action']} | {one['layout']} | {one['useful_per_s']:,.0f} "
            f"| {one['computed_per_s']:,.0f} | {one['mfu_computed']:.1%} / {one['mfu_useful']:.1%} "
            f"| {one['iteration_useful_per_s']:,.0f} | {one['peak_gib']:.1f} GiB |"
        )


if __name__ == "__main__":
    main()
