from envs.grading import (
    EvalAnswerMode,
    MultipleChoiceEvaluation,
    MultipleChoiceQuestion,
    RandomAnnotation,
    eval_answer,
    extract_answer,
    shuffle,
)
from envs.grading.shuffling import T
from textgrad_agents.messages import encode_image_to_base64, validate_base64_image
from textgrad_agents.tools import is_coroutine_callable, partial_format

__all__ = [
    "EvalAnswerMode",
    "MultipleChoiceEvaluation",
    "MultipleChoiceQuestion",
    "RandomAnnotation",
    "T",
    "encode_image_to_base64",
    "eval_answer",
    "extract_answer",
    "is_coroutine_callable",
    "partial_format",
    "shuffle",
    "validate_base64_image",
]
