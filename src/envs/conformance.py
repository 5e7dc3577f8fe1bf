"""What every multi-agent environment has to keep, as a check that its author runs in a test.

::

    def test_my_environment_keeps_the_contract():
        check_environment(MyEnvironment())
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping
from typing import Any

from envs.base import Action, ActionSpace, MultiAgentEnvironment, StepOutcome
from envs.registry import make
from textgrad_agents.errors import ConfigError, EnvError

_UNREADABLE = ("", "\n", "I cannot say.", "{", '{"action": []}', '{"action": ' * 9999, "9" * 9999, "\0")

_Actions = dict[str, Action]


def check_environment(environment: MultiAgentEnvironment, *, seed: int = 0) -> None:
    """Play a few episodes and hold the environment to its contract.

    Checked: the description; that actions offered to an acting agent can be read back; that the same seed and actions
    give the same episode, observed or not, on this object and on one built from `parameters()`; who acts, observations,
    states and rewards in every cycle; the end of an episode; and that misuse raises EnvError and changes nothing.

    Raises:
        EnvError: a rule is broken; the message names it and what was seen.
    """
    _check_description(environment)
    first = _play(environment, seed)
    _require(_play(environment, seed) == first, "the same seed and actions give the same episode")
    unseen = _play(environment, seed, observe=False)
    _require(unseen == [cycle[-1:] for cycle in first], "observing changes nothing")
    twin = _build_twin(environment)
    _check_before_reset(twin)
    _require(_play(twin, seed) == first, "an environment built from parameters() plays the same episode")
    _require(twin.rules == environment.rules, "an environment built from parameters() has the same rules")
    twin.close()
    _check_misuse(environment, seed)


def _check_description(environment: MultiAgentEnvironment) -> None:
    agents = environment.agents
    _require(bool(environment.name), "an environment has a name")
    _require(bool(agents) and len(set(agents)) == len(agents), "agents have distinct names", agents)
    _require(all(environment.role_of(agent) for agent in agents), "every agent has a role")
    _require(bool(environment.rules.strip()), "the rules are put into words")
    _require(environment.max_cycles >= 1, "an episode has at least one cycle", environment.max_cycles)


def _check_actions(space: ActionSpace) -> None:
    _require(bool(space.choices), "the action space names at least one action")
    description = space.describe()
    for name, value in space.choices.items():
        _require(name in description, "describe() offers every named action", name)
        written = () if isinstance(value, str) else (f"{value:g}",)
        for reply in (name, *written, json.dumps({"action": value})):
            read = space.parse(reply)
            same = read.parsed and read.name == name and read.value == value
            _require(same, f"the action {name} is read from the reply {reply!r}", read)
    for reply in _UNREADABLE:
        read = space.parse(reply)
        _require(not read.parsed, f"the reply {reply[:20]!r} names no action and is marked so", read)
        _require(read.value in space.choices.values(), "an unreadable reply gives a named, neutral action", read)


def _play(environment: MultiAgentEnvironment, seed: int, *, observe: bool = True) -> list[tuple[Any, ...]]:
    """An episode of random actions: per cycle what was seen and, last, what the step did."""
    environment.reset(seed)
    chance = random.Random(seed)
    cycles: list[tuple[Any, ...]] = []
    known: dict[str, ActionSpace] = {}  # action spaces that are checked, by what they offer
    while True:
        seen = _look(environment) if observe else ()
        _check_acting(environment, known)
        outcome = environment.step(_random_actions(environment, chance))
        _check_outcome(environment, outcome)
        cycles.append((*seen, outcome))
        if outcome.done or outcome.truncated:
            return cycles
        _require(len(cycles) < environment.max_cycles, "an episode is truncated after max_cycles", len(cycles))


def _check_acting(environment: MultiAgentEnvironment, known: dict[str, ActionSpace]) -> None:
    acting = environment.acting_agents
    in_order = tuple(agent for agent in environment.agents if agent in acting)
    _require(bool(acting) and acting == in_order, "in every cycle some of the agents act, named in their order", acting)
    for agent in acting:
        space = environment.action_space_of(agent)
        if space.describe() not in known:
            _check_actions(space)
            known[space.describe()] = space


def _look(environment: MultiAgentEnvironment) -> tuple[Any, ...]:
    texts = tuple(environment.observe(agent) for agent in environment.acting_agents)
    _require(all(text.strip() for text in texts), "every observation says something", texts)
    words, state = environment.describe_state(), environment.global_state()
    _require(bool(words.strip()), "describe_state() says something")
    try:
        copy = json.loads(json.dumps(state, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise EnvError(f"broken rule: global_state() is JSON-like with finite numbers; {error}") from None
    _require(copy == state, "global_state() is the same after a round trip through JSON", state)
    return texts, words, state


def _check_outcome(environment: MultiAgentEnvironment, outcome: StepOutcome) -> None:
    rewards: Mapping[str, float] = outcome.rewards
    _require(tuple(rewards) == environment.agents, "a step rewards every agent, in their order", tuple(rewards))
    _require(all(math.isfinite(reward) for reward in rewards.values()), "rewards are finite numbers", dict(rewards))


def _build_twin(environment: MultiAgentEnvironment) -> MultiAgentEnvironment:
    parameters = environment.parameters()
    try:
        twin = make(**parameters)
    except (ConfigError, TypeError) as error:
        raise EnvError(f"broken rule: envs.make(**parameters()) builds the environment again; {error}") from None
    _require(twin.parameters() == parameters, "parameters() survive building the environment again", parameters)
    return twin


def _check_before_reset(environment: MultiAgentEnvironment) -> None:
    agent = environment.agents[0]
    _refuses("observe before the first reset", lambda: environment.observe(agent))
    _refuses("describe the state before the first reset", environment.describe_state)
    _refuses("give the state before the first reset", environment.global_state)
    _refuses("step before the first reset", lambda: environment.step(dict.fromkeys(environment.agents, 0)))


def _check_misuse(environment: MultiAgentEnvironment, seed: int) -> None:
    _refuses("step after the end of the episode", lambda: environment.step(dict.fromkeys(environment.agents, 0)))
    environment.reset(seed)
    before = _look(environment)
    actions = _random_actions(environment, random.Random(seed))
    first, *others = actions
    some = {agent: actions[agent] for agent in others}
    _refuses("observe an unknown agent", lambda: environment.observe("nobody"))
    _refuses("step without an action for every acting agent", lambda: environment.step(some))
    _refuses("step with an action that is no number", lambda: environment.step({**actions, first: math.nan}))
    _refuses("step with an unknown agent", lambda: environment.step({**some, "nobody": 0}))
    idle = [agent for agent in environment.agents if agent not in actions]
    if idle:
        _refuses("step with an agent that does not act", lambda: environment.step({**actions, idle[0]: 0}))
    _require(_look(environment) == before, "a refused call changes nothing")


def _refuses(what: str, call: Callable[[], object]) -> None:
    try:
        call()
    except EnvError as error:
        _require(bool(str(error)), f"to {what} raises EnvError with a message")
        return
    except Exception as error:  # what an author's code raises here can be anything
        raise EnvError(f"broken rule: to {what} raises EnvError; it raised {error!r}") from error
    raise EnvError(f"broken rule: to {what} raises EnvError; nothing was raised")


def _random_actions(environment: MultiAgentEnvironment, chance: random.Random) -> _Actions:
    return {
        agent: chance.choice(list(environment.action_space_of(agent).choices.values()))
        for agent in environment.acting_agents
    }


_NOTHING = object()


def _require(kept: bool, rule: str, seen: object = _NOTHING) -> None:
    if not kept:
        raise EnvError(f"broken rule: {rule}" + ("" if seen is _NOTHING else f"; seen: {str(seen)[:300]}"))
