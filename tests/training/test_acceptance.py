"""What a gate is asked: all proposals together, or each agent's in the team that the others left."""

import asyncio
from dataclasses import dataclass, field

from textgrad_agents.optim.proposals import Outcome, Proposal
from textgrad_agents.variables.variable import Variable
from training.acceptance import Verdict, decide

TEAM = {"a": "old a", "b": "old b", "c": "old c"}


@dataclass
class Likes:
    """A gate that accepts candidates in which nothing is wrong."""

    asked: list = field(default_factory=list)

    async def judge(self, incumbent, candidate, iteration):
        self.asked.append((dict(incumbent), dict(candidate)))
        return Verdict("wrong" not in " ".join(candidate.values()), "so it is", pairs=3, gain=1.5, e_value=30.0)

    def state(self):
        return []

    def restore(self, state):
        pass


def proposals(**new):
    made = []
    for agent, text in TEAM.items():
        parameter = Variable(text, role_description=f"policy of {agent}", name=agent)
        if agent in new:
            made.append(Proposal(parameter, text, new[agent], Outcome.PROPOSED))
        else:
            made.append(Proposal(parameter, text, text, Outcome.UNCHANGED))
    return made


def ask(scope, **new):
    gate, seen = Likes(), []
    judged, decisions = asyncio.run(decide(gate, scope, TEAM, proposals(**new), 4, seen.append))
    assert tuple(seen) == decisions
    return gate, {one.name: one for one in judged}, decisions


def test_jointly_one_bad_proposal_sinks_all():
    gate, judged, [decision] = ask("joint", a="good", b="wrong")
    assert gate.asked == [(TEAM, TEAM | {"a": "good", "b": "wrong"})]
    assert decision.agents == ("a", "b")
    assert {name: one.outcome for name, one in judged.items()} == {
        "a": Outcome.REJECTED,
        "b": Outcome.REJECTED,
        "c": Outcome.UNCHANGED,
    }
    assert judged["a"].refused == "good"
    assert judged["a"].reason == "so it is"


def test_agent_by_agent_each_is_tested_in_the_team_that_the_others_left():
    gate, judged, decisions = ask("agent", a="good", b="wrong", c="better")
    assert gate.asked == [
        (TEAM, TEAM | {"a": "good"}),
        (TEAM | {"a": "good"}, TEAM | {"a": "good", "b": "wrong"}),
        (TEAM | {"a": "good"}, TEAM | {"a": "good", "c": "better"}),
    ]
    assert [(one.iteration, one.agents, one.verdict.accepted) for one in decisions] == [
        (4, ("a",), True),
        (4, ("b",), False),
        (4, ("c",), True),
    ]
    assert {name: one.new for name, one in judged.items()} == {"a": "good", "b": "old b", "c": "better"}


def test_nothing_new_asks_nobody():
    for scope in ("joint", "agent"):
        gate, judged, decisions = ask(scope)
        assert (gate.asked, decisions) == ([], ())
        assert all(one.outcome is Outcome.UNCHANGED for one in judged.values())
