"""Trees of transitions: values, advantages, paths, equal steps as one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import Messages, ToolCall, ToolRequestMessage, join, user
from textgrad_agents.ops import IdentityOp
from textgrad_agents.transitions import Transition, TransitionTree

wrap = IdentityOp()


def step(timestep: int, reward: float = 0.0, *, done: bool = False, seen: str = "", state: object = None) -> Transition:
    seen_after = [user(seen)] if seen else []
    return Transition(
        timestep=timestep, agent_state=state, observation=[], next_observation=seen_after, reward=reward, done=done
    )


def grown() -> TransitionTree:
    tree = TransitionTree("r")
    tree.add_transition("r:0", step(0))
    tree.add_transition("r:0:0", step(1, 1.0))
    for number in range(3):
        tree.add_transition(f"r:0:0:{number}", step(2, float(number), done=True))
    tree.add_transition("r:0:1", step(1, -1.0, done=True))
    return tree


def values(tree: TransitionTree) -> dict[str, float]:
    return {one: tree.get_transition(one).value for one in tree.step_ids() if one != "r"}


def test_monte_carlo_values() -> None:
    tree = grown()
    tree.assign_mc_value_estimates(0.9)
    after = 1 + 0.9 * (0 + 1 + 2) / 3
    expected = {"r:0": 0.9 * (after - 1) / 2, "r:0:0": after, "r:0:0:0": 0.0, "r:0:0:1": 1.0, "r:0:0:2": 2.0}
    assert values(tree) == pytest.approx(expected | {"r:0:1": -1.0})


def test_weights_count() -> None:
    tree = TransitionTree("r")
    tree.add_transition("r:0", step(0))
    tree.add_transition("r:0:0", step(1, 1.0), weight=3.0)
    tree.add_transition("r:0:1", step(1, 5.0))
    tree.assign_mc_value_estimates()
    assert tree.get_transition("r:0").value == pytest.approx((3 * 1 + 5) / 4)
    tree.compute_advantages()
    assert values(tree) == pytest.approx({"r:0": 0.0, "r:0:0": -1.0, "r:0:1": 3.0})


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0.1, 4)), min_size=1, max_size=6))
def test_advantages_of_siblings_cancel_out(children: list[tuple[float, float]]) -> None:
    tree = TransitionTree("r")
    for number, (reward, weight) in enumerate(children):
        tree.add_transition(f"r:{number}", step(0, reward), weight=weight)
    tree.assign_mc_value_estimates()
    tree.compute_advantages()
    weighted = sum(tree.get_weight(one) * tree.get_transition(one).value for one in tree.children("r"))
    assert weighted == pytest.approx(0.0, abs=1e-9)


def test_trajectories_are_the_paths_to_the_ends() -> None:
    found = {one.traj_id: [step.timestep for step in one.steps] for one in grown().get_trajectories()}
    assert found == {"r:0:0:0": [0, 1, 2], "r:0:0:1": [0, 1, 2], "r:0:0:2": [0, 1, 2], "r:0:1": [0, 1]}


def test_branches_without_an_end_can_be_left_out() -> None:
    tree = grown()
    tree.add_transition("r:0:2", step(1))
    tree.add_transition("r:0:2:0", step(2))
    kept = tree.remove_nonterminal_branches()
    assert [*kept.step_ids()] == ["r", "r:0", "r:0:0", "r:0:0:0", "r:0:0:1", "r:0:0:2", "r:0:1"]
    assert len(tree) == 8


def first_words(messages: Messages) -> str:
    return join([user((one.content or "").partition(" ")[0]) for one in messages])


def test_equal_steps_become_one() -> None:
    tree = TransitionTree("r")
    for name, seen in zip("0123", ("", "", "stub", "stub 123"), strict=True):
        tree.add_transition(f"r:{name}", step(0, state=0, seen=seen))
        tree.add_transition(f"r:{name}:0", step(1, state=1 if name in "01" else 9))
    merged = tree.merge_identical_nodes(lambda state: state, next_observation_hash_fn=first_words)
    weights = {one: merged.get_weight(one) for one in merged.step_ids()}
    assert weights == {"r": 1.0, "r:0": 2.0, "r:0:0": 2.0, "r:2": 2.0, "r:2:0": 2.0}
    assert {tree.get_weight(one) for one in tree.step_ids()} == {1.0}


def test_ids_of_calls_do_not_tell_steps_apart_but_arguments_do() -> None:
    tree = TransitionTree("r")
    for number, place in enumerate(("up", "up", "down")):
        action = wrap(ToolRequestMessage(tool_calls=[ToolCall.from_name("look", place=place)]))
        tree.add_transition(f"r:{number}", step(0).model_copy(update={"action": action}))
    merged = tree.merge_identical_nodes(lambda state: None)
    assert merged.children("r") == ("r:0", "r:2")


def test_the_values_of_a_merged_tree_are_those_of_the_tree() -> None:
    """Equal steps below different ones stay where they are, so that no step loses what came after it."""
    tree = TransitionTree("r")
    for name in "01":
        tree.add_transition(f"r:{name}", step(0, state=name))
        tree.add_transition(f"r:{name}:0", step(1, 4.0, state="same"))
    merged = tree.merge_identical_nodes(lambda state: state)
    merged.assign_mc_value_estimates()
    assert [merged.get_transition(f"r:{name}").value for name in "01"] == [4.0, 4.0]


def test_a_deep_tree_needs_no_recursion() -> None:
    tree = TransitionTree("r")
    step_id = "r"
    for number in range(2_000):
        step_id += ":0"
        tree.add_transition(step_id, step(number, 1.0))
    tree.assign_mc_value_estimates()
    assert tree.get_transition("r:0").value == 2_000


def test_what_does_not_fit_is_refused() -> None:
    tree = grown()
    with pytest.raises(ConfigError, match="begin with r:"):
        tree.add_transition("s:0", step(0))
    with pytest.raises(ConfigError, match="add 'r:7' before"):
        tree.add_transition("r:7:0", step(0))
    with pytest.raises(ConfigError, match="already"):
        tree.add_transition("r:0", step(0))
    with pytest.raises(ConfigError, match="root"):
        tree.get_transition("r")
    with pytest.raises(ConfigError, match="no transition 'r:9'"):
        tree.get_weight("r:9")
