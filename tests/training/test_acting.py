"""Teams: who is asked what; agents that are told the same; games in which agents take turns."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from envs.actions import DiscreteActions
from envs.base import MultiAgentEnvironment, StepOutcome
from envs.multi_agent import PettingZooEnvironment
from textgrad_agents.engines import ScriptedEngine
from textgrad_agents.errors import EngineReplyError
from textgrad_agents.messages import Completion, PromptSpan, TokenTrace, Usage
from textgrad_agents.messages.spans import spans_of
from textgrad_agents.seeds import text_hash
from training.acting import LanguageTeam, RuleTeam
from training.rollout import rollout

PLACE = (0, "train", 0, 0)


class Chorus(MultiAgentEnvironment):
    """Singers hear one of two tones; all in the same group hear the same."""

    name = "chorus"

    def __init__(self, hears):
        self.agents = tuple(f"singer_{i}" for i in range(len(hears)))
        self.hears = dict(zip(self.agents, hears, strict=True))
        self.max_cycles = 2
        self.action_space = DiscreteActions(
            {"low": 0, "high": 1}, {"low": "sing low", "high": "sing high"}, neutral="low"
        )
        self.cycle = 0

    @property
    def rules(self):
        return "Sing what you hear."

    def reset(self, seed):
        self.cycle = 0

    def observe(self, agent):
        return f"I hear a {self.hears[agent]} tone."

    def describe_state(self):
        return "A chorus."

    def global_state(self):
        return {"cycle": self.cycle}

    def step(self, actions):
        self.cycle += 1
        return StepOutcome(dict.fromkeys(self.agents, float(sum(actions.values()))), truncated=self.cycle == 2)

    def parameters(self):
        return {"name": self.name}


def sing(messages, options):
    return Completion("1" if "high" in messages[-1].text else "0", usage=Usage(10, 1))


def play(environment, engine, temperature=0.0, policies=None):
    policies = policies or dict.fromkeys(environment.agents, "Sing.")
    return asyncio.run(rollout(environment, LanguageTeam(environment, policies, engine, temperature), PLACE))


def test_who_is_told_the_same_at_temperature_0_is_answered_by_one_call():
    engine = ScriptedEngine(sing)
    episode = play(Chorus(["low", "high", "high", "low", "high"]), engine)
    assert len(engine.calls) == 2 * 2
    assert [step.action for one in episode.trajectories for step in one.steps[:1]] == [0, 1, 1, 0, 1]
    assert episode.usage == Usage(4 * 10, 4 * 1)
    assert all(step.reply and step.messages for step in episode.steps())


def test_sampled_decisions_are_each_asked_for():
    engine = ScriptedEngine(sing)
    play(Chorus(["low", "low"]), engine, temperature=0.15)
    assert len(engine.calls) == 2 * 2


def test_other_policies_make_other_questions():
    engine = ScriptedEngine(sing)
    play(Chorus(["low", "low", "low"]), engine, policies={"singer_0": "A", "singer_1": "B", "singer_2": "A"})
    assert len(engine.calls) == 2 * 2
    assert {call.options.seed for call in engine.calls}.__len__() == 4


def test_a_shared_call_that_fails_is_the_neutral_action_of_all_and_paid_once():
    def fails(messages, options):
        raise EngineReplyError("empty", usage=Usage(5, 0))

    episode = play(Chorus(["low", "low"]), ScriptedEngine(fails))
    assert all(not step.parsed and step.action_name == "low" for step in episode.steps())
    assert episode.usage == Usage(2 * 5, 0)


def tictactoe(**parameters):
    return PettingZooEnvironment("classic/tictactoe-v3", **{"opponents": "none", "games": 1, **parameters})


def first_legal(messages, options):
    """The first action that the prompt offers."""
    lines = messages[0].text.split("## Answer format: one action\n")[1].splitlines()
    return lines[1].removeprefix("- ").split(" = ")[0]


def test_only_whose_turn_it_is_is_asked_and_only_legal_actions_are_offered():
    engine = ScriptedEngine(first_legal)
    environment = tictactoe()
    episode = play(environment, engine)
    assert len(engine.calls) == episode.length == sum(len(one.steps) for one in episode.trajectories)
    for number, call in enumerate(engine.calls):
        assert f"I am player_{number % 2 + 1}." in call.messages[-1].text
        assert len([line for line in call.messages[0].text.splitlines() if line.startswith("- ")]) == 9 - number
    assert all(step.parsed for step in episode.steps())


def test_an_action_that_exists_but_is_not_legal_is_the_neutral_one_and_counted():
    episode = play(tictactoe(), ScriptedEngine(lambda messages, options: "centre"))
    steps = sorted(episode.steps(), key=lambda step: step.timestep)
    assert [step.parsed for step in steps] == [True] + [False] * (len(steps) - 1)
    assert [step.action_name for step in steps[:3]] == ["centre", "top_left", "left"]
    assert episode.error is None


def test_a_rule_decides_for_those_who_act():
    environment = tictactoe()
    environment.reset(0)
    rule = RuleTeam(lambda _: {"player_1": 4, "player_2": 0})
    [step] = asyncio.run(rule.act(environment, 0, PLACE))
    assert (step.agent, step.action_name) == ("player_1", "centre")


@pytest.mark.parametrize("temperature", [0.0, 0.15])
def test_a_long_game_with_many_legal_sets_keeps_few_prompts(temperature):
    environment = tictactoe(games=30, opponents="random")
    team = LanguageTeam(environment, dict.fromkeys(environment.agents, "x"), ScriptedEngine(first_legal), temperature)
    asyncio.run(rollout(environment, team, PLACE))
    assert team._prompt.cache_info().currsize <= 2**9


def traced(messages, options):
    """A reply whose tokens are the characters of question and answer, with the spans of the Variables."""
    marks = spans_of(messages[0])
    prompt = "".join(message.text for message in messages)
    reply = sing(messages, options)
    trace = TokenTrace(
        np.array([ord(one) for one in prompt], np.int32),
        np.array([ord(one) for one in reply.text], np.int32),
        np.zeros(len(reply.text), np.float32),
        np.ones(len(reply.text), np.bool_),
        spans=tuple(PromptSpan(one.start, one.end, one.variable, one.version) for one in marks),
    )
    return replace(reply, finish="length", trace=trace)


def test_prompts_say_where_the_policy_stands_and_steps_keep_trace_and_finish():
    policies = {"singer_0": "Sing low.", "singer_1": "Sing high.\n"}
    episode = play(Chorus(["low", "high"]), ScriptedEngine(traced), temperature=1.0, policies=policies)
    for step in episode.steps():
        assert step.finish == "length"
        assert step.trace is not None
        (span,) = step.trace.spans
        said = "".join(map(chr, step.trace.prompt_ids[span.start : span.end]))
        assert said == policies[step.agent].strip()
        assert (span.variable, span.version) == (step.agent, text_hash(said))


def test_a_shared_call_is_traced_once():
    episode = play(Chorus(["low", "low", "high"]), ScriptedEngine(traced))
    there = {step.agent: step.trace is not None for step in episode.steps()}
    assert there == {"singer_0": True, "singer_1": False, "singer_2": True}
    assert {step.finish for step in episode.steps()} == {"length"}
