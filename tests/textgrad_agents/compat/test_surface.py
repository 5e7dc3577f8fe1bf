"""Every public name of TextGrad 0.1.8 is here, in the same module, and takes the same arguments."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import pytest

OURS = "textgrad_agents.compat.textgrad"
DESCENT = (
    "parameters verbose engine constraints new_variable_tags optimizer_system_prompt in_context_examples "
    "gradient_memory"
)
MOMENTUM = "engine parameters momentum_window constraints new_variable_tags in_context_examples optimizer_system_prompt"
MODEL = "model_string system_prompt"
EYES = "model_string system_prompt is_multimodal"
CACHED = "model_string system_prompt is_multimodal cache"
IMAGES = "evaluation_api root split task_instruction evaluation_instruction"

SURFACE: dict[str, dict[str, str]] = {
    "": {
        "BlackboxLLM": "engine system_prompt",
        "EngineLM": "",
        "SingletonBackwardEngine": "",
        "TGD": DESCENT,
        "TextLoss": "eval_system_prompt engine",
        "TextualGradientDescent": DESCENT,
        "Variable": "value image_path predecessors requires_grad role_description",
        "aggregate": "variables",
        "get_engine": "engine_name",
        "set_backward_engine": "engine override",
        "sum": "variables",
    },
    "autograd": {
        "FormattedLLMCall": "engine format_string fields system_prompt",
        "LLMCall": "engine system_prompt",
        "LLMCall_with_in_context_examples": "engine system_prompt",
        "Module": "",
        "MultimodalLLMCall": "engine system_prompt",
        "OrderedFieldsMultimodalLLMCall": "engine fields system_prompt",
        "StringBasedFunction": "fn function_purpose",
        "aggregate": "variables",
        "sum": "variables",
    },
    "autograd.algebra": {"Aggregate": "", "Sum": ""},
    "autograd.function": {"BackwardContext": "backward_fn", "Function": "", "Module": ""},
    "autograd.functional": {
        "aggregate": "variables",
        "formatted_llm_call": "inputs response_role_description engine format_string fields system_prompt",
        "llm_call": "input_variable engine response_role_description system_prompt",
        "sum": "variables",
    },
    "autograd.llm_ops": {"FormattedLLMCall": "", "LLMCall": "", "LLMCall_with_in_context_examples": ""},
    "autograd.multimodal_ops": {"MultimodalLLMCall": "", "OrderedFieldsMultimodalLLMCall": ""},
    "autograd.string_based_ops": {"BackwardContext": "", "StringBasedFunction": ""},
    "config": {
        "SingletonBackwardEngine": "",
        "set_backward_engine": "engine override",
        "validate_engine_or_get_default": "engine",
    },
    "engine": {
        "CachedEngine": "cache_path",
        "EngineLM": "",
        "LiteLLMEngine": CACHED,
        "get_engine": "engine_name",
        "validate_multimodal_engine": "engine",
    },
    "engine.anthropic": {"ChatAnthropic": EYES},
    "engine.base": {"CachedEngine": "cache_path", "EngineLM": ""},
    "engine.bedrock": {"ChatBedrockEngine": f"bedrock_client {EYES}"},
    "engine.cohere": {"ChatCohere": MODEL},
    "engine.engine_utils": {"get_image_type_from_bytes": "data", "is_jpeg": "data", "is_png": "data"},
    "engine.gemini": {"ChatGemini": MODEL},
    "engine.groq": {"ChatGroq": MODEL},
    "engine.guidance": {"GuidanceEngine": ""},
    "engine.local_model_openai_api": {"ChatExternalClient": f"client {MODEL}"},
    "engine.openai": {"AzureChatOpenAI": MODEL, "ChatOpenAI": f"{EYES} base_url", "EngineLM": ""},
    "engine.together": {"ChatTogether": MODEL},
    "engine.vllm": {"ChatVLLM": MODEL},
    "engine_experimental": {"LiteLLMEngine": CACHED, "OpenAIEngine": CACHED},
    "engine_experimental.base": {"EngineLM": CACHED, "cached": ""},
    "engine_experimental.engine_utils": {
        "get_image_type_from_bytes": "data",
        "is_jpeg": "data",
        "is_png": "data",
        "open_ai_like_formatting": "content",
    },
    "engine_experimental.litellm": {"LiteLLMEngine": CACHED, "completion": ""},
    "engine_experimental.openai": {"OpenAICompatibleEngine": f"client {CACHED}", "OpenAIEngine": CACHED},
    "loss": {
        "ImageQALoss": "evaluation_instruction engine system_prompt",
        "MultiChoiceTestTime": "evaluation_instruction engine system_prompt",
        "MultiFieldEvaluation": "evaluation_instruction role_descriptions engine system_prompt",
        "MultiFieldTokenParsedEvaluation": "evaluation_instruction role_descriptions engine system_prompt parse_tags",
        "TextLoss": "eval_system_prompt engine",
    },
    "model": {"BlackboxLLM": "engine system_prompt"},
    "optimizer": {
        "Optimizer": "parameters",
        "TGD": DESCENT,
        "TextualGradientDescent": DESCENT,
        "TextualGradientDescentwithMomentum": MOMENTUM,
    },
    "optimizer.guidance_optimizer": {"GuidedTextualGradientDescent": DESCENT},
    "optimizer.optimizer": {
        "Optimizer": "parameters",
        "TextualGradientDescent": DESCENT,
        "TextualGradientDescentwithMomentum": MOMENTUM,
        "get_gradient_and_context_text": "variable",
    },
    "tasks": {
        "DataLoader": "data batch_size shuffle",
        "Dataset": "",
        "LeetCodeHardEval": "root",
        "MMLU": "subset root split",
        "MMLUInstanceDataset": "evaluation_api subset root split max_samples",
        "load_instance_task": "task_name evaluation_api",
        "load_task": "task_name evaluation_api",
    },
    "tasks.base": {"DataLoader": "data batch_size shuffle", "Dataset": ""},
    "tasks.big_bench_hard": {
        "BigBenchHard": "task_name root split",
        "parse_integer_answer": "answer only_first_line",
        "string_based_equality_fn": "prediction ground_truth_answer",
    },
    "tasks.gpqa": {
        "GPQA": "subset root",
        "GPQAInstanceDataset": "evaluation_api subset root split max_samples",
        "GPQAInstanceDatasetOpenAI": "evaluation_api subset root",
        "eval_string_based": "response_text correct_answer",
    },
    "tasks.gsm8k": {"GSM8K": "subset root split", "GSM8K_DSPy": "root split"},
    "tasks.leetcode": {"LeetCodeHardEval": "root"},
    "tasks.mmlu": {
        "MMLU": "subset root split",
        "MMLUInstanceDataset": "evaluation_api subset root split max_samples",
        "eval_string_based": "response_text correct_answer",
    },
    "tasks.multimodal": {"load_multimodal_instance_task": "task_name evaluation_api"},
    "tasks.multimodal.mathvista": {"MathVistaDataset": IMAGES},
    "tasks.multimodal.scienceqa": {"ScienceQADataset": IMAGES},
    "variable": {"Variable": "value image_path predecessors requires_grad role_description"},
}
MEMBERS = {
    "Variable": """backward generate_graph get_grad_fn get_gradient_text get_role_description get_short_value get_value
        reset_gradients set_grad_fn set_role_description set_value value gradients gradients_context predecessors
        grad_fn requires_grad role_description __add__""",
    "TGD": "constraint_text get_gradient_memory_text update_gradient_memory step zero_grad",
    "BlackboxLLM": "parameters named_parameters zero_grad forward",
    "SingletonBackwardEngine": "set_engine get_engine engine",
    "EngineLM": "generate system_prompt",
}
VALUES = {
    "": """logger singleton_backward_engine autograd loss optimizer engine engine_experimental config tasks model
        variable defaults""",
    "defaults": "SYSTEM_PROMPT_DEFAULT_ROLE VARIABLE_INPUT_DEFAULT_ROLE VARIABLE_OUTPUT_DEFAULT_ROLE",
    "engine.openai": "OLLAMA_BASE_URL",
    "optimizer.optimizer_prompts": "OPTIMIZER_SYSTEM_PROMPT GLOSSARY_TEXT",
    "loss": "DEFAULT_TEST_TIME",
    "tasks": "AVAILABLE_DATASETS AVAILABLE_INSTANCE_DATASETS",
    "tasks.mmlu": "QUERY_TEMPLATE_MULTICHOICE",
    "tasks.gpqa": "QUERY_TEMPLATE_MULTICHOICE",
}


def module(name: str) -> object:
    return importlib.import_module(f"{OURS}.{name}" if name else OURS)


@pytest.mark.parametrize("name", SURFACE)
def test_names_and_arguments(name: str) -> None:
    for public, parameters in SURFACE[name].items():
        value = getattr(module(name), public)
        if parameters:
            ours = list(inspect.signature(value).parameters)
            wanted = parameters.split()
            positional = ours[: len(wanted)]
            assert [one for one in wanted if one not in ours] == [], public
            assert [one for one in positional if one in wanted] == [one for one in wanted if one in positional], public


@pytest.mark.parametrize("name", MEMBERS)
def test_members(name: str) -> None:
    kind = getattr(module(""), name)
    assert [one for one in MEMBERS[name].split() if not hasattr(kind, one)] == []


@pytest.mark.parametrize("name", VALUES)
def test_values(name: str) -> None:
    assert [one for one in VALUES[name].split() if not hasattr(module(name), one)] == []


def test_it_imports_no_heavy_library() -> None:
    heavy = "('openai', 'httpx', 'pandas', 'torch', 'transformers', 'litellm', 'textgrad')"
    code = f"import sys, {OURS} as tg; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
