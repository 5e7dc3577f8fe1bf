"""TransitionTree: several ways from one beginning, as search samples them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import Message, Messages, join
from textgrad_agents.transitions.trajectory import Trajectory
from textgrad_agents.transitions.transition import Transition

_BETWEEN = ":"


@dataclass(slots=True)
class _Node:
    """A step in the tree; the root has none."""

    step: Transition | None
    weight: float = 1.0
    parent: str | None = None
    children: list[str] = field(default_factory=list[str])


class TransitionTree:
    """Steps by id: ``root:0:1`` is the second way on from the first step.

    A path from the root to a step that ends, was cut, failed, or has nothing after it, is a trajectory. The weight of a
    step says how often it was sampled, relative to the other steps after the same one.

    Args:
        root_id: id of the root, with which all ids begin.
    """

    def __init__(self, root_id: object) -> None:
        self.root_id = str(root_id)
        self._nodes: dict[str, _Node] = {self.root_id: _Node(None)}

    def __len__(self) -> int:
        return len(self._nodes) - 1

    def __contains__(self, step_id: str) -> bool:
        return step_id in self._nodes

    def step_ids(self) -> Iterator[str]:
        """Ids of the root and of all steps, each after the one that it follows."""
        waiting = [self.root_id]
        while waiting:
            step_id = waiting.pop()
            yield step_id
            waiting.extend(reversed(self._nodes[step_id].children))

    def get_transition(self, step_id: str) -> Transition:
        """The step of an id.

        Raises:
            ConfigError: there is none, or it is the root's id, which has no step.
        """
        step = self._node(step_id).step
        if step is None:
            raise ConfigError(f"{step_id!r} is the root of the tree, which has no transition")
        return step

    def get_weight(self, step_id: str) -> float:
        """The weight of a step (the root's is 1).

        Raises:
            ConfigError: there is none of this id.
        """
        return self._node(step_id).weight

    def children(self, step_id: str) -> tuple[str, ...]:
        """Ids of the steps that follow, in the order in which they were added."""
        return tuple(self._node(step_id).children)

    def add_transition(self, step_id: str, step: Transition, weight: float = 1.0) -> None:
        """Add a step.

        Args:
            step_id: its id: that of the step before it, a colon, and something of its own.
            step: the step.
            weight: its weight.

        Raises:
            ConfigError: the id is taken, or no step of the tree comes before it.
        """
        parent = step_id.rpartition(_BETWEEN)[0]
        if step_id.partition(_BETWEEN)[0] != self.root_id or not parent:
            raise ConfigError(f"ids of this tree begin with {self.root_id}{_BETWEEN}, and {step_id!r} does not")
        if parent not in self._nodes:
            raise ConfigError(f"add {parent!r} before {step_id!r}, which follows it")
        self._attach(parent, step_id, step, weight)

    def _attach(self, parent: str, step_id: str, step: Transition, weight: float) -> None:
        if step_id in self._nodes:
            raise ConfigError(f"the tree has a transition {step_id!r} already")
        self._nodes[step_id] = _Node(step, weight, parent)
        self._nodes[parent].children.append(step_id)

    def _node(self, step_id: str) -> _Node:
        try:
            return self._nodes[step_id]
        except KeyError:
            raise ConfigError(f"the tree has no transition {step_id!r}") from None

    # -- trajectories ----------------------------------------------------------------------------------------------

    def get_trajectories(self) -> list[Trajectory]:
        """Every path from the root to where it ends, failed and cut ones too. A trajectory's id is its last step's."""
        return [Trajectory(traj_id=step_id, steps=self._path(step_id)) for step_id in self._ends()]

    def _ends(self) -> Iterator[str]:
        for step_id in self.step_ids():
            node = self._nodes[step_id]
            step = node.step
            if step is not None and (step.done or step.truncated or step.failed or not node.children):
                yield step_id

    def _path(self, step_id: str) -> list[Transition]:
        return [step for one in self._path_ids(step_id) if (step := self._nodes[one].step) is not None]

    def _path_ids(self, step_id: str) -> list[str]:
        """Ids from the first step to this one."""
        path: list[str] = []
        at: str | None = step_id
        while at is not None and at != self.root_id:
            path.append(at)
            at = self._nodes[at].parent
        return path[::-1]

    # -- values ----------------------------------------------------------------------------------------------------

    def assign_mc_value_estimates(self, discount_factor: float = 1.0) -> None:
        """Set the value of each step to what it earned on the average: ``Q(s, a) = r + discount · V(s')``.

        ``V(s')`` is the mean of the values of the steps that were sampled after it, by weight, or 0 after the last one.
        """
        for step_id in reversed([*self.step_ids()]):
            step = self._nodes[step_id].step
            if step is not None:
                step.value = step.reward + discount_factor * self._mean_value(step_id)

    def compute_advantages(self) -> None:
        """Replace the value of each step by its advantage over the steps sampled beside it: ``A = Q(s, a) - V(s)``."""
        means = {step_id: self._mean_value(step_id) for step_id in self.step_ids()}
        for node in self._nodes.values():
            if node.step is not None and node.parent is not None:
                node.step.value -= means[node.parent]

    def _mean_value(self, step_id: str) -> float:
        """Mean value of the steps after a step, by weight."""
        after = [self._nodes[child] for child in self._nodes[step_id].children]
        total = sum(node.weight for node in after)
        if not total:
            return 0.0
        return sum(node.weight * node.step.value for node in after if node.step is not None) / total

    # -- other trees -------------------------------------------------------------------------------------------------

    def remove_nonterminal_branches(self) -> TransitionTree:
        """A tree of those steps alone from which some path came to the episode's end (``done``)."""
        kept: set[str] = set()
        for step_id in self._ends():
            if self.get_transition(step_id).done:
                kept.update(self._path_ids(step_id))
        tree = TransitionTree(self.root_id)
        for step_id in self.step_ids():
            node = self._nodes[step_id]
            if step_id in kept and node.step is not None and node.parent is not None:
                tree._attach(node.parent, step_id, node.step, node.weight)
        return tree

    def merge_identical_nodes(
        self,
        agent_state_hash_fn: Callable[[Any], Hashable],
        observation_hash_fn: Callable[[Messages], Hashable] = join,
        next_observation_hash_fn: Callable[[Messages], Hashable] = join,
    ) -> TransitionTree:
        """A tree in which equal steps after the same one are one: in state, observation, action and next observation.

        Their weights are added up; the steps after them follow the one that is kept, the first of them, and are merged
        in turn. Ids of tool calls do not count. An id no longer tells which step it follows; `children` does.

        Args:
            agent_state_hash_fn: what two states must have in common.
            observation_hash_fn: what two observations must have in common.
            next_observation_hash_fn: the same of next observations.
        """
        tree = TransitionTree(self.root_id)
        first: dict[Hashable, str] = {}
        kept = {self.root_id: self.root_id}
        for step_id in self.step_ids():
            node = self._nodes[step_id]
            if node.step is None or node.parent is None:
                continue
            parent = kept[node.parent]
            key = (
                parent,
                agent_state_hash_fn(node.step.agent_state),
                _without_call_ids(node.step),
                observation_hash_fn(node.step.observation),
                next_observation_hash_fn(node.step.next_observation),
            )
            kept[step_id] = first.setdefault(key, step_id)
            if kept[step_id] == step_id:
                tree._attach(parent, step_id, node.step, node.weight)
            else:
                tree._nodes[kept[step_id]].weight += node.weight
        return tree


def _without_call_ids(step: Transition) -> Hashable:
    action = None if step.action is None else step.action.value
    if not isinstance(action, Message):
        return None if action is None else repr(action)
    return action.content, tuple(call.function.model_dump_json() for call in action.tool_calls or ())
