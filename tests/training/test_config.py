"""The table of settings: defaults, refusals on one line, files, and what makes two runs the same run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textgrad_agents.errors import ConfigError, FileFormatError
from training.config import TrainingConfig
from training.environments import LampsSettings, PettingZooSettings, PistonballSettings
from training.numeric_config import NumericConfig

KEY = "sk-canary-0123456789"
MODEL = {"name": "mine", "model_string": "m", "base_url": "http://localhost:8000/v1", "api_key": KEY}


def complaint(**given: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        TrainingConfig(**given)
    message = str(caught.value)
    assert "\n" not in message
    return message


def read_or_complaint(path: Path) -> TrainingConfig | str:
    try:
        return TrainingConfig.from_json(path)
    except FileFormatError as error:
        return str(error)


def test_defaults() -> None:
    config = TrainingConfig()
    assert config.model_dump(mode="json") == {
        "exp_name": "pistonball_exp",
        "experiments_dir": "experiments",
        "policy_path": "policies/policy.json",
        "first_policy": None,
        "policy_words": None,
        "paradigm": "central_credit",
        "num_iterations": 5,
        "trajectories_per_iteration": 3,
        "start_iteration": 0,
        "seed": 0,
        "environment": {
            "name": "pistonball",
            "num_pistons": 10,
            "max_cycles": 125,
            "action_mode": "discrete",
            "random_drop": True,
            "pistons_start_low": False,
            "field_of_view": 4.0,
            "observation": "full",
            "pictures": False,
            "frame_size": [64, 64],
            "stack_size": 4,
        },
        "agent_type": "llm",
        "rule_k": 1.0,
        "rule_tau": 4.0,
        "model": "auto",
        "llm_config": None,
        "episode_llm_config": None,
        "textgrad_llm_config": None,
        "critic_llm_config": None,
        "optimizer_llm_config": None,
        "base_model": None,
        "update": "text",
        "sampler": "local",
        "numeric": NumericConfig().model_dump(mode="json"),
        "exploration": 0.15,
        "decision_interval": 1,
        "siblings": 1,
        "recall": 0,
        "prompts": "full",
        "mini_batch_size": None,
        "credit_summary": False,
        "gradient_memory": 0,
        "gate": "sequential",
        "gate_scope": "joint",
        "gate_episodes": 12,
        "alpha": 0.05,
        "patience": None,
        "min_delta": 0.0,
        "restore_best": False,
        "concurrency": 64,
        "num_workers": 1,
        "save_gif": True,
        "save_mp4": False,
        "log_level": "INFO",
    }


def test_flat_names_are_the_environments_settings() -> None:
    flat = TrainingConfig(num_pistons=20, max_cycles=50, continuous=True, frame_size=(32, 32), field_of_view=None)
    nested = TrainingConfig(
        environment={
            "num_pistons": 20,
            "max_cycles": 50,
            "action_mode": "continuous",
            "frame_size": [32, 32],
            "field_of_view": None,
        }
    )
    assert flat.environment == nested.environment
    assert (flat.num_pistons, flat.max_cycles, flat.action_mode, flat.continuous) == (20, 50, "continuous", True)
    lamps = TrainingConfig(environment="lamps", max_cycles=4)
    assert lamps.environment == LampsSettings(max_cycles=4)
    assert (lamps.num_pistons, lamps.action_mode) == (2, "discrete")
    assert TrainingConfig(environment=PistonballSettings(num_pistons=4), max_cycles=9).environment == (
        PistonballSettings(num_pistons=4, max_cycles=9)
    )


def test_a_game_of_pettingzoo_is_an_environment() -> None:
    config = TrainingConfig(
        environment="pettingzoo", env="classic/rps-v2", seats="player_0, player_1", options='{"num_actions": 5}'
    )
    assert config.environment == PettingZooSettings(
        env="classic/rps-v2", seats=("player_0", "player_1"), options={"num_actions": 5}
    )
    assert (config.exp_name, config.num_pistons, config.max_cycles) == ("rps_exp", 2, 1000)
    assert "exp_name" not in config.model_fields_set
    assert config.replaced(env="my_games.tag:make_tag").exp_name == "make_tag_exp"
    assert config.replaced(exp_name="mine").exp_name == "mine"
    assert config.replaced(games=2).differences(config) == [("games", 2, None)]


def test_pictures_make_pistonball_another_environment() -> None:
    text, pictures = TrainingConfig(num_pistons=3, frame_size=(32, 32)), TrainingConfig(num_pistons=3, pictures=True)
    assert "frame_size" not in text.environment.parameters()
    assert text.fingerprint() == TrainingConfig(num_pistons=3).fingerprint()
    assert pictures.environment.parameters()["options"] == {
        "n_pistons": 3,
        "continuous": False,
        "random_drop": True,
        "max_cycles": 125,
    }
    assert pictures.fingerprint() != text.fingerprint()
    assert pictures.environment.make().agents == text.environment.make().agents


def test_settings_make_the_environment_they_describe() -> None:
    environment = TrainingConfig(num_pistons=4, max_cycles=7, field_of_view=None).environment.make()
    assert len(environment.agents) == 4
    assert environment.parameters()["max_cycles"] == 7
    assert environment.parameters()["field_of_view"] is None
    assert TrainingConfig(environment="lamps").environment.make().name == "lamps"


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            {"paradigm": "central"},
            "paradigm must be 'independent', 'central_global' or 'central_credit', not 'central'",
        ),
        ({"agent_type": "human"}, "agent_type must be 'llm' or 'rule', not 'human'"),
        ({"action_mode": "both"}, "action_mode must be 'discrete' or 'continuous', not 'both'"),
        ({"gate": "off"}, "gate must be 'sequential', 'mean' or 'none', not 'off'"),
        ({"log_level": "LOUD"}, "log_level must be 'DEBUG', 'INFO', 'WARNING' or 'ERROR', not 'LOUD'"),
        ({"num_iterations": 0}, "num_iterations must be greater than or equal to 1, not 0"),
        ({"num_iterations": -3}, "num_iterations must be greater than or equal to 1, not -3"),
        ({"num_iterations": "5"}, "num_iterations must be a valid integer, not '5'"),
        ({"num_iterations": True}, "num_iterations must be a valid integer, not True"),
        ({"trajectories_per_iteration": 0}, "trajectories_per_iteration must be greater than or equal to 1, not 0"),
        ({"num_pistons": 1}, "num_pistons must be greater than or equal to 2, not 1"),
        ({"num_pistons": -10}, "num_pistons must be greater than or equal to 2, not -10"),
        ({"max_cycles": 0}, "max_cycles must be greater than or equal to 1, not 0"),
        ({"gate_episodes": 0}, "gate_episodes must be greater than or equal to 1, not 0"),
        ({"concurrency": 0}, "concurrency must be greater than or equal to 1, not 0"),
        ({"seed": -1}, "seed must be greater than or equal to 0, not -1"),
        ({"start_iteration": -1}, "start_iteration must be greater than or equal to 0, not -1"),
        (
            {"start_iteration": 5},
            "start_iteration 5 must be below num_iterations 5; raise num_iterations to go on further",
        ),
        ({"alpha": 0.0}, "alpha must be greater than 0, not 0.0"),
        ({"alpha": 1}, "alpha must be less than 1, not 1"),
        ({"alpha": float("nan")}, "alpha must be a finite number, not nan"),
        ({"exploration": -0.1}, "exploration must be greater than or equal to 0, not -0.1"),
        ({"field_of_view": 0.0}, "field_of_view must be greater than 0, not 0.0"),
        ({"rule_tau": float("inf")}, "rule_tau must be a finite number, not inf"),
        ({"frame_size": (64, "a")}, "frame_size.1 must be a valid integer, not 'a'"),
        ({"policy_path": ""}, "policy_path must be a path in Unicode, not ''"),
        ({"experiments_dir": "a\0b"}, "experiments_dir must be a path in Unicode, not 'a\\x00b'"),
        ({"policy_path": "a\udcff"}, "policy_path must be a path in Unicode, not 'a\\udcff'"),
        ({"policy_path": 3}, "policy_path must be a path in Unicode, not 3"),
        ({"model": ""}, "model must have at least 1 character, not ''"),
        ({"num_piston": 3}, "there is no field num_piston; did you mean num_pistons?"),
        ({"num_iteration": 3}, "there is no field num_iteration; did you mean num_iterations?"),
        (
            {"pictures": True, "pistons_start_low": True},
            "pictures and pistons_start_low do not go together; PettingZoo has no such start",
        ),
        (
            {"environment": "pettingzoo", "options": "num_actions=5"},
            'options must be a JSON object, such as {"num_actions": 5}: Expecting value: line 1 column 1 (char 0)',
        ),
        ({"environment": "pettingzoo", "games": 0}, "games must be greater than or equal to 1, not 0"),
        ({"environment": {"name": "chess"}}, "environment must be pistonball, lamps, math or pettingzoo, not 'chess'"),
        ({"environment": {"name": []}}, "environment must be pistonball, lamps, math or pettingzoo, not []"),
        ({"environment": 3}, "environment must be a name or an object of settings, not 3"),
        (
            {"environment": "lamps", "num_pistons": 3},
            "num_pistons is no setting of the environment lamps; it has name, num_agents, max_cycles, goal",
        ),
        (
            {"continuous": True, "action_mode": "discrete"},
            "continuous=True and action_mode='discrete' contradict each other; give one",
        ),
        (
            {"continuous": False, "action_mode": "continuous"},
            "continuous=False and action_mode='continuous' contradict each other; give one",
        ),
        ({"continuous": 1}, "continuous must be true or false, not 1"),
        ({"llm_config": 5}, "llm_config must be the fields of a model, a known name or the path of a JSON file, not 5"),
        ({"llm_config": {"name": "a"}}, "llm_config is not usable: model_string is missing"),
        (
            {"paradigm": "x", "gate": "y"},
            "paradigm must be 'independent', 'central_global' or 'central_credit', not 'x'; "
            "gate must be 'sequential', 'mean' or 'none', not 'y'",
        ),
    ],
)
def test_refusals_name_field_value_and_way_out(given: dict[str, Any], line: str) -> None:
    assert complaint(**given) == line


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "/etc",
        "a\\b",
        ".hidden",
        "-flag",
        "a b",
        "a\n",
        "a\0",
        "é",
        "x" * 101,
        "C:x",
        "a%2f",
    ],
)
def test_names_that_are_paths_or_worse_are_refused(name: str) -> None:
    assert complaint(exp_name=name).startswith("exp_name must be 1 to 100 letters, digits, dots")


@pytest.mark.parametrize("name", ["a", "0", "my_exp", "run-3.1", "x" * 100])
def test_plain_names_are_taken(name: str) -> None:
    assert TrainingConfig(exp_name=name).exp_name == name


def test_the_two_ways_to_say_continuous_agree() -> None:
    assert TrainingConfig(continuous=True, action_mode="continuous").continuous
    assert not TrainingConfig(continuous=False, action_mode="discrete").continuous
    assert TrainingConfig(action_mode="continuous").continuous


def test_errors_drag_no_key_along() -> None:
    with pytest.raises(ConfigError) as caught:
        TrainingConfig(llm_config=MODEL | {"colour": "red"}, alpha=7.0)
    assert KEY not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_configs_are_frozen_and_replaced_keeps_what_was_given() -> None:
    config = TrainingConfig(num_pistons=20, exp_name="a")
    changed = config.replaced(max_cycles=10, seed=3)
    assert (changed.num_pistons, changed.max_cycles, changed.seed, changed.exp_name) == (20, 10, 3, "a")
    assert changed.model_fields_set == {"environment", "exp_name", "seed"}
    assert config.replaced(continuous=True).replaced(num_pistons=4).action_mode == "continuous"
    with pytest.raises(ConfigError, match="there is no field sed; did you mean seed"):
        config.replaced(sed=3)
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 4  # pyright: ignore[reportAttributeAccessIssue]


# -- models --------------------------------------------------------------------------------------------------------


def test_the_order_in_which_a_model_is_looked_for(tmp_path: Path) -> None:
    assert TrainingConfig(llm_config=MODEL, model="gpt-4o").get_llm_config().model_string == "m"
    assert TrainingConfig(llm_config="gemini-pro", model="gpt-4o").get_llm_config().name == "gemini-pro"
    path = tmp_path / "model.json"
    path.write_text(json.dumps({"name": "file", "model_string": "f"}))
    assert TrainingConfig(llm_config=path).get_llm_config().model_string == "f"
    assert TrainingConfig(llm_config=str(path)).get_llm_config().model_string == "f"
    assert TrainingConfig(model="gpt-4o-mini").get_llm_config().model_string == "gpt-4o-mini"
    with pytest.raises(ConfigError, match="no model is known as 'gpt-4o-mni'; the nearest names are gpt-4o-mini"):
        TrainingConfig(model="gpt-4o-mni").get_llm_config()


@pytest.mark.parametrize("name", ["auto", "rulebook"])
def test_auto_is_the_built_in_engine(name: str) -> None:
    config = TrainingConfig(model=name)
    assert config.get_llm_config().name == "rulebook"
    assert config.get_llm_config().api_key_env_var is None
    assert config.get_model_display_name() == "rulebook (built in)"
    assert TrainingConfig(model="gpt-4o", episode_llm_config=name).get_episode_llm_config().name == "rulebook"


def test_roles_fall_back_to_the_common_model() -> None:
    config = TrainingConfig(llm_config=MODEL, textgrad_llm_config="gpt-4o")
    assert config.get_episode_llm_config().name == "mine"
    assert config.get_textgrad_llm_config().name == "gpt-4o"
    assert config.get_critic_llm_config().name == config.get_optimizer_llm_config().name == "gpt-4o"
    apart = config.replaced(critic_llm_config="gpt-4o-mini", optimizer_llm_config=MODEL)
    assert {role: model.name for role, model in apart.models.items()} == {
        "actor": "mine",
        "critic": "gpt-4o-mini",
        "optimizer": "mine",
    }
    assert apart.fingerprint() != config.fingerprint()
    assert config.get_model_display_name() == "mine (m via http://localhost:8000/v1)"
    assert "gpt-4o-mini" in TrainingConfig.list_available_models()


def test_a_missing_model_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="does not exist"):
        TrainingConfig(llm_config=tmp_path / "none.json").get_llm_config()


# -- files ---------------------------------------------------------------------------------------------------------

given_settings = st.fixed_dictionaries(
    {},
    optional={
        "exp_name": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True),
        "paradigm": st.sampled_from(["independent", "central_global", "central_credit"]),
        "num_iterations": st.integers(1, 100),
        "seed": st.integers(0, 2**63),
        "environment": st.sampled_from(["lamps", "pistonball"]),
        "max_cycles": st.integers(1, 1000),
        "agent_type": st.sampled_from(["llm", "rule"]),
        "model": st.sampled_from(["auto", "gpt-4o", "gemini-pro"]),
        "llm_config": st.sampled_from([None, "gpt-4o", MODEL]),
        "alpha": st.floats(0, 1, exclude_min=True, exclude_max=True),
        "exploration": st.floats(0, 2),
        "num_workers": st.integers(1, 8),
        "save_gif": st.booleans(),
        "save_mp4": st.booleans(),
        "experiments_dir": st.sampled_from(["experiments", "a/b"]),
    },
)


@settings(max_examples=50)
@given(given=given_settings)
def test_configs_survive_their_file(given: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("config") / "config.json"
    config = TrainingConfig(**given)
    config.to_json(path)
    again = TrainingConfig.from_json(path)
    assert again.to_dict() == config.to_dict()
    assert again.fingerprint() == config.fingerprint()
    assert again.differences(config) == []
    assert KEY not in path.read_text()


def test_changes_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    TrainingConfig(exp_name="a", num_pistons=20, num_iterations=2).to_json(path)
    config = TrainingConfig.from_json(path, num_iterations=9, start_iteration=3, max_cycles=5)
    assert (config.exp_name, config.num_pistons, config.max_cycles) == ("a", 20, 5)
    assert (config.num_iterations, config.start_iteration) == (9, 3)
    with pytest.raises(ConfigError, match="gate must be"):
        TrainingConfig.from_json(path, gate="x")


def test_what_nobody_chose_is_not_taken_for_chosen(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    TrainingConfig().to_json(path)
    assert "policy_path" not in TrainingConfig.from_json(path).model_fields_set
    assert "exp_name" in TrainingConfig.from_json(path).model_fields_set
    TrainingConfig(policy_path="mine.json").to_json(path)
    assert "policy_path" in TrainingConfig.from_json(path).model_fields_set


def test_files_of_the_earlier_system_are_read_and_their_keys_dropped(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(
        json.dumps(
            {
                "exp_name": "old",
                "paradigm": "central_global",
                "policy_path": "policies/policy.json",
                "experiments_dir": "experiments",
                "num_iterations": 10,
                "trajectories_per_iteration": 3,
                "model": "gpt-4o-mini",
                "num_pistons": 20,
                "max_cycles": 125,
                "frame_size": [64, 64],
                "stack_size": 4,
                "continuous": False,
                "agent_type": "llm",
                "action_mode": "continuous",
                "rule_k": 0.1,
                "rule_tau": 4.0,
                "log_level": "INFO",
                "start_iteration": 0,
                "llm_config": MODEL,
            }
        )
    )
    config = TrainingConfig.from_json(path)
    assert (config.num_pistons, config.action_mode, config.rule_k) == (20, "continuous", 0.1)
    model = config.get_llm_config()
    assert model.model_string == "m"
    assert model.api_key is None
    assert KEY not in repr(config)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "is not valid JSON"),
        ('{"exp_name": "a"', "is not valid JSON"),
        ("[]", "must hold one JSON object, not []"),
        ('{"schema_version": 2}', "has schema_version 2; this version reads 1"),
        ('{"schema_version": true}', "has schema_version True"),
        ('{"num_piston": 3}', "there is no field num_piston; did you mean num_pistons?"),
        ('{"num_iterations": "5"}', "num_iterations must be a valid integer, not '5'"),
        ('{"exp_name": "../../x"}', "exp_name must be 1 to 100"),
        ('{"llm_config": {"name": 3}}', "llm_config is not usable"),
        ('{"environment": []}', "environment must be a name or an object"),
    ],
)
def test_damaged_files_are_one_line(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(content)
    message = read_or_complaint(path)
    assert isinstance(message, str)
    assert message.startswith(f"config file {path}")
    assert complaint in message
    assert "\n" not in message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert read_or_complaint(tmp_path / "none.json") == f"config file {tmp_path / 'none.json'} does not exist"


@settings(max_examples=200)
@given(data=st.data())
def test_mutated_files_give_a_config_or_the_documented_error(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(json.dumps(TrainingConfig(exp_name="a", llm_config=MODEL).to_dict()).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content) - 1))
        end = start + data.draw(st.sampled_from([0, 1, 1, 5]))
        content[start:end] = data.draw(st.binary(max_size=2))
    path = tmp_path_factory.mktemp("config") / "config.json"
    path.write_bytes(content)
    read = read_or_complaint(path)
    if isinstance(read, str):
        assert "\n" not in read
        assert KEY not in read
    else:
        assert TrainingConfig(**{name: getattr(read, name) for name in read.model_fields_set}) == read


# -- the same run --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"exp_name": "b"},
        {"experiments_dir": "b"},
        {"policy_path": "b"},
        {"num_iterations": 9},
        {"start_iteration": 1},
        {"log_level": "DEBUG"},
        {"concurrency": 1},
        {"save_gif": False},
        {"save_mp4": True, "num_workers": 3},
        {"stack_size": 1},
        {"llm_config": MODEL | {"base_url": "http://localhost:9000/v1", "timeout": 5.0, "api_key": "another"}},
    ],
)
def test_places_and_lengths_do_not_make_another_run(change: dict[str, Any]) -> None:
    config = TrainingConfig(llm_config=MODEL)
    assert config.replaced(**change).fingerprint() == config.fingerprint()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"num_pistons": 11}, "num_pistons"),
        ({"continuous": True}, "action_mode"),
        ({"field_of_view": None}, "field_of_view"),
        ({"environment": "lamps"}, "environment"),
        ({"agent_type": "rule"}, "agent_type"),
        ({"paradigm": "independent"}, "paradigm"),
        ({"seed": 1}, "seed"),
        ({"trajectories_per_iteration": 4}, "trajectories_per_iteration"),
        ({"gate": "mean"}, "gate"),
        ({"alpha": 0.1}, "alpha"),
        ({"exploration": 0.2}, "exploration"),
        ({"model": "gpt-4o"}, "model"),
        ({"llm_config": MODEL | {"temperature": 0.5}}, "llm_config"),
        ({"textgrad_llm_config": "gpt-4o"}, "textgrad_llm_config"),
    ],
)
def test_what_defines_a_run(change: dict[str, Any], field: str) -> None:
    config = TrainingConfig()
    changed = config.replaced(**change)
    assert changed.fingerprint() != config.fingerprint()
    assert field in [difference.field for difference in changed.differences(config)]


def test_differences_show_both_values() -> None:
    [difference] = TrainingConfig(num_pistons=20, exp_name="b").differences(TrainingConfig())
    assert difference == ("num_pistons", 20, 10)
    [ruled] = TrainingConfig(agent_type="rule").differences(TrainingConfig())
    assert ruled == ("agent_type", "rule", "llm")


def test_a_model_file_counts_by_what_it_holds(tmp_path: Path) -> None:
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    for path in (one, two):
        path.write_text(json.dumps({"name": path.stem, "model_string": "m"}))
    before = TrainingConfig(llm_config=one).fingerprint()
    assert TrainingConfig(llm_config=two).fingerprint() == before
    one.write_text(json.dumps({"name": "one", "model_string": "other"}))
    assert TrainingConfig(llm_config=one).fingerprint() != before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"update": "weights"}, "base_model"),
        ({"update": "both"}, "base_model"),
        ({"sampler": "http://127.0.0.1:8000/v1"}, "there is none"),
        ({"base_model": "tiny"}, "policies in English"),
        ({"base_model": "tiny", "update": "both"}, "policies in English"),
        (
            {"base_model": "tiny", "update": "weights", "sampler": "http://127.0.0.1:8000/v1"},
            "cannot serve the built-in",
        ),
        ({"base_model": "folder", "sampler": "elsewhere"}, "local or the URL"),
        ({"base_model": "tiny", "update": "weights", "agent_type": "rule"}, "leave out base_model"),
        ({"base_model": "tiny", "update": "weights", "numeric": {"lr": -1}}, r"numeric\.lr"),
        ({"base_model": "tiny", "update": "weights", "numeric": "{"}, "JSON object"),
        ({"siblings": 2}, "multiple of siblings"),
    ],
)
def test_weights_that_cannot_be_trained_so(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainingConfig(**settings)


def test_settings_of_weights_are_part_of_the_run_where_weights_learn() -> None:
    weights = {"base_model": "tiny", "update": "weights"}
    assert TrainingConfig(numeric={"lr": 0.1}).fingerprint() == TrainingConfig().fingerprint()
    assert TrainingConfig(**weights, numeric={"lr": 0.1}).fingerprint() != TrainingConfig(**weights).fingerprint()
