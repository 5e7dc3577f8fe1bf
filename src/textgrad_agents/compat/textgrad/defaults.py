"""TextGrad's default role descriptions."""

SYSTEM_PROMPT_DEFAULT_ROLE = "system prompt of the language model: how it is to go about every query"
VARIABLE_INPUT_DEFAULT_ROLE = "query to the language model"
VARIABLE_OUTPUT_DEFAULT_ROLE = "response from the language model"
