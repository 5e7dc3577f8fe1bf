"""Training any PettingZoo game from the command line."""

import json
from pathlib import Path

import pytest

QUICK = ["--num_iterations", "1", "--trajectories_per_iteration", "1", "--gate", "none", "--progress", "none"]


@pytest.fixture
def run(script):
    """Runs the script's main in an empty folder; gives exit code, stdout, stderr."""
    return script("train_env")


def episode(path="experiments/tictactoe_exp"):
    return json.loads((Path(path) / "iteration_0" / "episode_0" / "episode.json").read_text())


@pytest.mark.parametrize("opponents", ["random", "self"])
def test_players_of_tictactoe_get_better(run, opponents):
    """Two iterations; episodes against random players say that the policies at the end win more."""
    flags = ["--num_iterations", 2, "--games", 60, "--gate", "mean", "--gate_episodes", 3, "--progress", "none"]
    code, _, err = run(*flags, "--opponents", opponents, "--seed", 1)
    assert (code, err) == (0, "")
    policies = json.loads(Path("policies/policy.json").read_text())
    current = policies["policies"][f"iteration_{policies['current_iteration']}"]["agent_policies"]
    assert list(current) == ["player_1", "player_2"]
    assert all("When two of my marks are in line with the free square" in one["policy"] for one in current.values())
    accepted = [json.loads(path.read_text()) for path in Path().glob("experiments/*/iteration_*/gate/gate.json")]
    won = [row["candidate"] - row["incumbent"] for gate in accepted if gate["accepted"] for row in gate["pairs"]]
    assert sum(won) / len(won) > 6


def test_the_run_is_named_after_the_game_and_goes_on_from_its_config(run):
    code, out, _ = run(*QUICK, "--games", 1, "--seats", "player_2")
    assert code == 0
    assert "python src/train_env.py --config experiments/tictactoe_exp/config.json --num_iterations 6" in out
    assert list(episode()["transitions"][0]["agents"]) == ["player_2"]
    code, out, _ = run("--config", "experiments/tictactoe_exp/config.json", "--num_iterations", 2, "--progress", "none")
    assert code == 0
    assert "what is finished in experiments/tictactoe_exp is reused" in out
    assert len(json.loads(Path("experiments/tictactoe_exp/summary.json").read_text())) == 2


@pytest.mark.parametrize(
    ("env", "flags"),
    [
        ("classic/connect_four-v3", ["--games", 1, "--opponents", "self"]),
        ("classic/rps-v2", ["--options", '{"num_actions": 5}']),
        ("mpe2/simple_spread-v3", ["--games", 1, "--decision_interval", 3]),
        ("butterfly/knights_archers_zombies-v11", ["--max_cycles", 20]),
        ("butterfly/pistonball-v6", ["--pictures", "--options", '{"n_pistons": 3, "max_cycles": 3}']),
        ("classic/go-v5", ["--options", '{"board_size": 5}', "--max_cycles", 12, "--opponents", "random"]),
        ("mpe2/simple_tag-v3", ["--seats", "agent_0", "--paradigm", "independent"]),
    ],
)
def test_any_game_trains(run, env, flags):
    code, out, err = run("--env", env, *QUICK, *flags)
    assert (code, err) == (0, "")
    assert "policy: policies/policy.json" in out


def test_an_episode_is_drawn_where_the_game_draws(run):
    code, _, err = run(*QUICK, "--games", 1, "--save_gif")
    assert (code, err) == (0, "")
    assert Path("experiments/tictactoe_exp/iteration_0/episode_0/episode_0.gif").read_bytes()[:3] == b"GIF"


def test_a_policy_is_evaluated_against_random_players_though_it_was_trained_in_self_play(run):
    assert run(*QUICK, "--games", 2, "--opponents", "self")[0] == 0
    code, out, _ = run("--evaluate", 2, "--games", 2, "--opponents", "self", "--no-save_gif")
    assert code == 0
    assert "2 episodes: mean " in out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--env", "classic/tictacto-v3"], "there is no game classic/tictacto-v3; did you mean classic/tictactoe-v3"),
        (["--seats", "me"], "seats of classic/tictactoe-v3 are player_1, player_2, not me"),
        (["--opponents", "weak"], "opponents must be 'none', 'random' or 'self', not 'weak'"),
        (["--options", "{"], "options must be a JSON object"),
        (["--options", '{"speed": 1}'], "classic/tictactoe-v3 cannot be made with the options given (speed)"),
        (["--agent_type", "rule"], "unrecognized arguments: --agent_type rule"),
        (["--pictures"], "classic/tictactoe-v3 is played in turns"),
    ],
)
def test_what_cannot_be_used_ends_in_one_line_and_leaves_nothing(run, flags, message):
    code, _, err = run(*QUICK, *flags)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert not list(Path().iterdir())


def test_the_size_of_pictures_is_a_flag(run):
    flags = ["--env", "butterfly/cooperative_pong-v6", "--pictures", "--frame_size", "24x16", "--stack_size", 2]
    code, _, err = run(*flags, "--max_cycles", 2, "--opponents", "none", *QUICK)
    assert code == 0, err
    played = episode("experiments/cooperative_pong_exp")["environment"]
    assert (played["frame_size"], played["stack_size"], played["pictures"]) == ([24, 16], 2, True)
    code, _, err = run(*flags[:3], "--frame_size", "24", *QUICK)
    assert code == 2
    assert "frame_size must be width and height, such as 64,48, not '24'" in err
