"""Is an answer right? By comparing texts or numbers, by asking a model, by matching options of a question."""

from envs.grading.answers import EvalAnswerMode, eval_answer, extract_answer
from envs.grading.multiple_choice import MultipleChoiceEvaluation, MultipleChoiceQuestion
from envs.grading.shuffling import RandomAnnotation, shuffle

__all__ = [
    "EvalAnswerMode",
    "MultipleChoiceEvaluation",
    "MultipleChoiceQuestion",
    "RandomAnnotation",
    "eval_answer",
    "extract_answer",
    "shuffle",
]
