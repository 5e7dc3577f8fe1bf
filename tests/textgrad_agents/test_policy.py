"""Policy files: round trips, the older forms, and that damage never gives anything but one named error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textgrad_agents.errors import FileFormatError
from textgrad_agents.policy import (
    AdapterReference,
    AgentPolicy,
    Lineage,
    PolicyFile,
    PolicyVersion,
    parse_policy_file,
    read_policy_file,
    team_hash,
)

text = st.text(max_size=20)
finite = st.floats(allow_nan=False, allow_infinity=False)
adapters = st.builds(AdapterReference, path=text, sha256=st.just("0" * 64), base_model=text)
policies = st.builds(AgentPolicy, policy=text, adapter=st.none() | adapters)
lineages = st.builds(
    Lineage,
    parent=st.none() | text,
    gradient=st.none() | text,
    model=st.none() | text,
    accepted=st.none() | st.booleans(),
    score=st.none() | finite,
)


@st.composite
def policy_files(draw: st.DrawFn) -> PolicyFile:
    agents = draw(st.sampled_from([("a",), ("piston_0", "piston_1"), ("é", "", "x y")]))
    versions = st.builds(
        PolicyVersion,
        timestamp=st.none() | text,
        agent_policies=st.fixed_dictionaries(dict.fromkeys(agents, policies))
        | st.fixed_dictionaries({"team_policy": policies}),
        training_stats=st.none() | st.dictionaries(text, st.none() | finite | st.lists(finite, max_size=2), max_size=3),
        lineage=st.none() | lineages,
    )
    numbers = draw(st.lists(st.integers(0, 200), min_size=1, max_size=3, unique=True))
    file = PolicyFile(
        description=draw(st.none() | text),
        published=draw(st.booleans()),
        current_iteration=draw(st.sampled_from(numbers)),
        num_agents=len(agents),
        experiment=draw(st.none() | text),
        first_iteration=draw(st.none() | st.sampled_from(numbers)),
        policies={f"iteration_{i}": draw(versions) for i in numbers},
    )
    for version in draw(st.lists(versions, max_size=1)):
        file = file.with_next(version)
    return file


def read_or_complaint(path: Path) -> PolicyFile | str:
    try:
        return read_policy_file(path)
    except FileFormatError as error:
        return str(error)


def entry(value: str = "stay") -> dict[str, Any]:
    return {
        "timestamp": "2026-01-01T00:00:00+00:00",
        "agent_policies": {"a": {"policy": value}},
        "training_stats": None,
    }


def minimal(**changes: Any) -> dict[str, Any]:
    return {"current_iteration": 0, "num_agents": 1, "policies": {"iteration_0": entry()}} | changes


@settings(max_examples=50)
@given(file=policy_files())
def test_files_survive_json_in_the_order_of_their_numbers(file: PolicyFile) -> None:
    again = parse_policy_file(json.loads(json.dumps(file.to_dict())), "policy file")
    assert again == file
    assert again.to_dict() == file.to_dict()
    assert list(again.iterations) == sorted(again.iterations)
    assert list(again.to_dict()["policies"]) == [f"iteration_{i}" for i in again.iterations]


def test_the_form_of_the_file() -> None:
    file = parse_policy_file(minimal(), "policy file")
    assert file.to_dict() == {"version": 1} | minimal()
    version = PolicyVersion(
        timestamp="t",
        agent_policies={"a": AgentPolicy(policy="go")},
        training_stats={"avg_reward": 1.5, "note": None},
        lineage=Lineage(parent="p", accepted=True, score=2.0),
    )
    data = file.with_next(version).to_dict()
    assert data["current_iteration"] == 1
    assert data["policies"]["iteration_1"] == {
        "timestamp": "t",
        "agent_policies": {"a": {"policy": "go"}},
        "training_stats": {"avg_reward": 1.5, "note": None},
        "lineage": {"parent": "p", "gradient": None, "model": None, "accepted": True, "score": 2.0},
    }


@pytest.mark.parametrize(
    "data",
    [
        {"team_policy": {"policy": "all push"}},
        {"a": {"policy": "all push"}, "b": {"policy": "all push"}},
        {"current_iteration": 0, "num_agents": 2, "policies": {"iteration_0": {"team_policy": {"policy": "all push"}}}},
        {
            "version": "1.0",
            "current_iteration": 0,
            "num_agents": 2,
            "policies": {"iteration_0": {"agent_policies": {"b": {"policy": "all push"}, "a": {"policy": "all push"}}}},
        },
    ],
)
def test_older_forms_are_read(data: dict[str, Any]) -> None:
    policies = parse_policy_file(data, "policy file").current.of(("a", "b"))
    assert {agent: policy.policy for agent, policy in policies.items()} == {"a": "all push", "b": "all push"}
    assert list(policies) == ["a", "b"]


def test_a_version_is_for_its_agents_alone() -> None:
    version = parse_policy_file(minimal(), "policy file").current
    with pytest.raises(KeyError):
        version.of(("a", "b"))
    with pytest.raises(KeyError):
        version.of(("b",))


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ([], "must hold one JSON object, not []"),
        ({}, "current_iteration is missing"),
        (minimal(version=2), "has version 2; this version of textgrad-agents reads 1"),
        (minimal(current_iteration=1), "current_iteration is 1; there are 0"),
        (minimal(current_iteration=-1), "current_iteration must be greater than or equal to 0, not -1"),
        (minimal(current_iteration="0"), "current_iteration must be a valid integer, not '0'"),
        (minimal(num_agents=2), "num_agents is 2; iteration_0 has policies of 1 agents"),
        (minimal(polices={}), "there is no field polices; did you mean policies?"),
        (minimal(policies={}), "current_iteration is 0; there are none"),
        (minimal(policies={"iteration_01": entry()}), "has the key 'iteration_01'; keys are iteration_0"),
        (minimal(policies={"iteration_0": entry() | {"agent_policies": {}}}), "must name one policy per agent"),
        (minimal(policies={"iteration_0": entry() | {"agent_policies": {"a": "go"}}}), "agent_policies.a"),
        (minimal(policies={"iteration_0": entry(3)}), "agent_policies.a.policy must be a valid string, not 3"),  # pyright: ignore[reportArgumentType]
        (minimal(published="yes"), "published must be a valid boolean, not 'yes'"),
    ],
)
def test_damage_is_one_line_with_a_way_out(data: Any, complaint: str) -> None:
    with pytest.raises(FileFormatError) as caught:
        parse_policy_file(data, "policy file p.json")
    message = str(caught.value)
    assert message.startswith("policy file p.json")
    assert complaint in message
    assert "\n" not in message


def test_a_version_that_is_trained_again_is_kept_aside() -> None:
    file = parse_policy_file(minimal(), "policy file")
    one, other = (PolicyVersion(agent_policies={"a": AgentPolicy(policy=text)}) for text in ("one", "other"))
    again = file.with_next(one).reset(0).with_next(one)
    assert again.superseded == ()
    changed = again.reset(0).with_next(other)
    assert [(kept.iteration, kept.version) for kept in changed.superseded] == [(1, one)]
    assert changed.current == other
    assert parse_policy_file(changed.to_dict(), "policy file") == changed


def test_resetting_names_the_versions_there_are() -> None:
    file = parse_policy_file(minimal(), "policy file")
    for i in range(3):
        file = file.with_next(PolicyVersion(agent_policies={"a": AgentPolicy(policy=str(i))}))
    assert file.reset(1).current.agent_policies["a"].policy == "0"
    with pytest.raises(ValueError, match="there is no iteration 9; there are 0 to 3"):
        file.reset(9)


def test_the_hash_of_a_team_depends_on_who_does_what() -> None:
    assert team_hash({"a": "x", "b": "y"}) == team_hash({"b": "y", "a": "x"})
    assert team_hash({"a": "x", "b": "y"}) != team_hash({"a": "y", "b": "x"})


@settings(max_examples=200)
@given(data=st.data())
def test_mutated_files_give_a_policy_file_or_the_documented_error(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = PolicyFile(
        current_iteration=1,
        num_agents=2,
        experiment="demo",
        policies={
            f"iteration_{i}": PolicyVersion(
                timestamp="2026-01-01",
                agent_policies={agent: AgentPolicy(policy=f"push {i}") for agent in "ab"},
                training_stats={"avg_reward": 1.5, "rewards": [1, 2]},
                lineage=Lineage(accepted=True, score=1.0),
            )
            for i in range(2)
        },
    )
    content = bytearray(json.dumps(file.to_dict()).encode())
    match data.draw(st.sampled_from(["bytes", "cut", "delete", "repeat"])):
        case "bytes":
            for _ in range(data.draw(st.integers(1, 4))):
                content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        case "cut":
            del content[data.draw(st.integers(0, len(content) - 1)) :]
        case "delete":
            start = data.draw(st.integers(0, len(content) - 1))
            del content[start : start + data.draw(st.integers(1, 30))]
        case _:
            start = data.draw(st.integers(0, len(content) - 1))
            part = content[start : start + data.draw(st.integers(1, 30))]
            content[start:start] = part
    path = tmp_path_factory.mktemp("policy") / "policy.json"
    path.write_bytes(content)
    read = read_or_complaint(path)
    if isinstance(read, str):
        assert str(path) in read
        assert "\n" not in read
    else:
        assert parse_policy_file(read.to_dict(), "policy file") == read


def test_deeply_nested_statistics_are_refused_or_kept(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    for depth in (10, 200, 300, 900, 5000):
        stats = '{"a":' * depth + "1" + "}" * depth
        path.write_text(json.dumps(minimal()).replace("null", stats))
        file = read_or_complaint(path)
        assert isinstance(file, PolicyFile) or depth > 200
        if isinstance(file, PolicyFile):
            path.write_text(json.dumps(file.to_dict()))
            assert read_policy_file(path) == file
