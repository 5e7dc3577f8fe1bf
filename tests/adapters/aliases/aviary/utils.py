from upstream import stand_in

from textgrad_agents.messages import encode_image_to_base64, validate_base64_image
from textgrad_agents.tools import is_coroutine_callable, partial_format

MultipleChoiceEvaluation = stand_in("MultipleChoiceEvaluation")
MultipleChoiceQuestion = stand_in("MultipleChoiceQuestion")
RandomAnnotation = stand_in("RandomAnnotation")
T = stand_in("T")
eval_answer = stand_in("eval_answer")
extract_answer = stand_in("extract_answer")
shuffle = stand_in("shuffle")

__all__ = [
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
