"""No text that is shipped tells which action is right: that is for agents to find out."""

import ast
import asyncio
import re
from importlib.resources import files

import pytest

from envs import make
from textgrad_agents import RulebookEngine
from textgrad_agents.engines.rulebook.grammar import read_rules
from training.acting import DECISION, LanguageTeam, actor_prompt
from training.paradigms import ParadigmEvaluator
from training.policy_manager import DEFAULT_POLICY
from training.rollout import rollout

SITUATION = re.compile(
    r"\b(?:balls?|sight|close|far|above (?:me|you)|on (?:my|your) (?:left|right)|moving|still|lamps?|lit)\b", re.I
)
ACTIONS = {
    "pistonball": (
        r"\b(?:push(?:es)?[_ ]?up|raises?|rises?|(?:moves?|go(?:es)?) up|extends?)\b",
        r"\b(?:retracts?(?:[_ ]down)?|lowers?|sinks?|(?:moves?|go(?:es)?) down)\b",
        r"\b(?:stays?|hold)\b",
    ),
    "lamps": (
        r"\b(?:press(?:es)?[_ ]left|the button on (?:its|your|my) left)\b",
        r"\b(?:press(?:es)?[_ ]right|the button on (?:its|your|my) right)\b",
        r"\b(?:waits?|(?:or|press(?:es)?) nothing)\b",
    ),
}


def hints(text):
    """Sentences that name a situation and some actions of an environment, but not all of these."""
    sentences = re.split(r"(?<=[.!?])\s|\n|;", re.sub(r"(?<=\w)\n(?=\w)", " ", text))
    return [sentence for sentence in sentences if any(_pairs(sentence, actions) for actions in ACTIONS.values())]


def _pairs(sentence, actions):
    named = [one for one in actions if re.search(one, sentence, re.I)]
    rest = re.sub("|".join(actions), "", sentence, flags=re.I)
    return 0 < len(named) < len(actions) and SITUATION.search(rest)


def literals(source):
    """Texts in a program, without the comments on it."""
    tree = ast.parse(source)
    comments = {
        id(statement.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        for statement in node.body
        if isinstance(statement, ast.Expr)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in comments
    ]


def shipped(package, folder, ending):
    places = [files(package) / folder] if folder else [files(package)]
    while places:
        place = places.pop()
        if place.is_dir():
            places.extend(place.iterdir())
        elif place.name.endswith(ending):
            yield place


@pytest.mark.parametrize(
    "hint",
    [
        "When the ball is close on my right, push up.",
        "It helps to stay low: lower your piston while the ball is far.",
        "Press left if the left lamp is lit. PRESS_LEFT where a lamp is lit on your left.",
        "Pistons on the ball's right\nshould raise themselves.",
    ],
)
def test_a_hint_is_noticed(hint):
    assert hints(hint)
    assert hints(f"All is well.\n{hint}\nGood luck.")


def test_prompts_hold_no_hint():
    prompts = [
        *shipped("training", "prompts", (".json", ".md")),
        *shipped("textgrad_agents.optim", "prompts", ".md"),
        *shipped("textgrad_agents.ops", "prompts", ".md"),
    ]
    assert len(prompts) >= 9
    for prompt in prompts:
        text = prompt.read_text(encoding="utf-8").replace("\\n", "\n")
        assert hints(text) == [], prompt.name
        assert not any(re.search(one, text, re.I) for actions in ACTIONS.values() for one in actions), prompt.name


def test_the_default_policy_holds_no_rule():
    assert read_rules(DEFAULT_POLICY) == []
    assert hints(DEFAULT_POLICY) == []
    assert not SITUATION.search(DEFAULT_POLICY)


def test_the_built_in_engine_knows_no_word_of_any_environment():
    words = re.compile(r"left|right|ball|piston|lamp|keeper|button|push|retract|press|\bstay\b|\bup\b|\bdown\b", re.I)
    sources = list(shipped("textgrad_agents.engines.rulebook", "", ".py"))
    assert len(sources) >= 8
    for source in sources:
        texts = literals(source.read_text(encoding="utf-8"))
        assert [text for text in texts if words.search(text)] == [], source.name


@pytest.mark.parametrize(
    "parameters",
    [
        {"name": "pistonball", "num_pistons": 6, "max_cycles": 60},
        {"name": "pistonball", "num_pistons": 6, "max_cycles": 60, "field_of_view": None, "action_mode": "continuous"},
        {"name": "lamps", "num_agents": 3, "max_cycles": 30, "goal": 20.0},
    ],
    ids=["pistonball", "pistonball, continuous", "lamps"],
)
def test_what_environments_say_holds_no_hint(parameters):
    environment = make(**parameters)
    policies = dict.fromkeys(environment.agents, DEFAULT_POLICY)
    team = LanguageTeam(environment, policies, RulebookEngine(), 1.0)
    episode = asyncio.run(rollout(environment, team, (0, "train", 0, 0)))
    offers = {environment.action_space_of(agent).describe() for agent in environment.agents}
    told = {environment.rules, DECISION, *offers, *(cycle.text for cycle in episode.cycles)}
    told |= {actor_prompt(environment.rules, DEFAULT_POLICY, offer).text for offer in offers}
    told |= {message.text for step in episode.steps() for message in step.messages}
    told |= {step.observation for step in episode.steps()}
    for paradigm in ("independent", "central_global", "central_credit"):
        critic = ParadigmEvaluator(
            paradigm, agents=environment.agents, environment=environment.name, rules=environment.rules
        )
        told |= {message.text for question in critic.questions("") for message in question.messages}
    assert len(told) > 30
    assert [hint for text in sorted(told) for hint in hints(text)] == []
