"""Teams, rollouts and collecting: what is recorded, whose words go where, seeds, failures."""

import asyncio

import pytest
from odd_lamps import OddLamps

import envs
from envs.lamps import LampsEnvironment
from envs.multi_agent import PettingZooEnvironment
from envs.pistonball.environment import PistonballEnvironment
from textgrad_agents.engines import RulebookEngine, ScriptedEngine
from textgrad_agents.errors import ConfigError, EngineAccessError, EngineReplyError, EnvError
from training.acting import LanguageTeam, RuleTeam
from training.collect import Collector
from training.digest import narrative
from training.export import load_episode, write_episode
from training.rollout import rollout

PLACE = (0, "train", 0, 0)


def lamps(**parameters):
    return LampsEnvironment(**{"num_agents": 2, "max_cycles": 4, **parameters})


def pressing(messages, options):
    """Press on the side that is lit."""
    return "0" if "left is lit" in messages[-1].text else "2"


def play(environment, engine, policies=None, place=PLACE, **options):
    policies = policies or dict.fromkeys(environment.agents, "Press on the lit side.")
    return asyncio.run(rollout(environment, LanguageTeam(environment, policies, engine, 0.0), place, **options))


def test_a_language_team_is_recorded_word_for_word():
    engine = ScriptedEngine(pressing)
    episode = play(lamps(), engine, episode_id=3, iteration=2)
    assert (episode.episode_id, episode.iteration, episode.length, episode.truncated) == (3, 2, 4, True)
    assert episode.total_reward == pytest.approx(4 * 0.9)
    step = episode.trajectories[0].steps[1]
    assert step.reply in ("0", "2")
    assert step.parsed
    assert step.reward == pytest.approx(0.9)
    assert step.situation in ("the lamp on my left is lit", "the lamp on my right is lit")
    assert step.messages[0].text.count("## Your policy\nPress on the lit side.\n") == 1
    assert "## Answer format: one action" in step.messages[0].text
    assert step.observation in step.messages[1].text
    assert len(engine.calls) == 8
    assert {call.options.role for call in engine.calls} == {"actor"}


def test_every_decision_has_its_own_seed_and_the_same_place_the_same_seeds():
    engines = [ScriptedEngine(pressing) for _ in range(3)]
    for engine, place in zip(engines, (PLACE, PLACE, (0, "gate", 0, 0)), strict=True):
        play(lamps(), engine, place=place)
    first, second, third = ([call.options.seed for call in engine.calls] for engine in engines)
    assert len(set(first)) == 8
    assert first == second
    assert not set(first) & set(third)


def test_an_unreadable_reply_is_the_neutral_action_and_counted():
    episode = play(lamps(), ScriptedEngine(lambda messages, options: "I would rather not say"))
    assert all(not step.parsed and step.action_name == "wait" for step in episode.steps())


def test_a_call_that_fails_is_the_neutral_action_and_the_episode_goes_on():
    def broken(messages, options):
        raise EngineReplyError("the reply is empty")

    episode = play(lamps(), ScriptedEngine(broken))
    assert episode.length == 4
    assert all(not step.parsed for step in episode.steps())


def test_a_key_that_is_refused_ends_the_rollout():
    def refused(messages, options):
        raise EngineAccessError("the key is refused")

    with pytest.raises(EngineAccessError):
        play(lamps(), ScriptedEngine(refused))


class Failing(LampsEnvironment):
    """Fails in its third cycle."""

    def step(self, actions):
        if self._cycle == 2:
            raise EnvError("the lamps went out")
        return super().step(actions)


class NotANumber(LampsEnvironment):
    """Gives a reward that is no number."""

    def step(self, actions):
        outcome = super().step(actions)
        return type(outcome)(dict.fromkeys(outcome.rewards, float("nan")), outcome.done, outcome.truncated)


def test_an_environment_that_fails_leaves_what_was_recorded():
    episode = play(Failing(num_agents=2, max_cycles=4), ScriptedEngine(pressing))
    assert episode.error == "the lamps went out"
    assert episode.length == 2
    assert len(episode.trajectories[0].steps) == 2


def test_a_reward_that_is_no_number_is_a_failure():
    episode = play(NotANumber(num_agents=2, max_cycles=4), ScriptedEngine(pressing))
    assert "not all are finite" in (episode.error or "")
    assert episode.total_reward == 0.0


def test_without_recording_the_score_is_the_same():
    recorded = play(lamps(), ScriptedEngine(pressing))
    scored = play(lamps(), ScriptedEngine(pressing), record=False)
    assert (scored.total_reward, scored.length) == (recorded.total_reward, recorded.length)
    assert not scored.cycles
    assert not any(scored.steps())


@pytest.mark.parametrize("policies", [{"keeper_0": "x"}, {"keeper_0": "x", "keeper_1": "x", "keeper_2": "x"}])
def test_policies_must_be_of_the_agents(policies):
    with pytest.raises(ConfigError, match="exactly the agents keeper_0 … keeper_1"):
        LanguageTeam(lamps(), policies, ScriptedEngine(pressing), 0.0)


def test_actors_never_see_the_global_state():
    """Whatever is written for critics, in words or numbers, is in no message to an actor."""
    environment = PistonballEnvironment(num_pistons=10, max_cycles=12)
    engine = ScriptedEngine(lambda messages, options: str(options.seed % 3))
    episode = play(environment, engine)
    for cycle in episode.cycles:
        lines = [line for line in cycle.text.splitlines() if line.strip()]
        ball = cycle.state["ball_position"]
        for step in (trajectory.steps[cycle.timestep] for trajectory in episode.trajectories):
            sent = step.messages[1].text
            assert not any(line in sent for line in lines)
            assert f"{ball[0]:.0f} px," not in sent.replace("Ball: ", "") or abs(ball[0]) < 165
            if "out of my sight" in sent:
                assert "to my left" not in sent
                assert "to my right" not in sent


def test_episodes_have_the_same_seeds_whatever_else_is_played():
    def collected(numbers, parallel):
        collector = Collector(lamps, ScriptedEngine(pressing), seed=7, parallel=parallel)
        policies = dict.fromkeys(collector.environment.agents, "x")
        return asyncio.run(collector.collect(policies, branch="train", iteration=1, episodes=numbers))

    together, alone = collected(range(4), 4), collected([2], 1)
    assert together[2] == alone[0]
    assert [episode.episode_id for episode in together] == [0, 1, 2, 3]
    assert len({episode.seed for episode in together}) == 4


def test_a_stop_lets_no_further_episode_begin():
    finished = []
    collector = Collector(lamps, ScriptedEngine(pressing), parallel=1)
    policies = dict.fromkeys(collector.environment.agents, "x")
    episodes = asyncio.run(
        collector.collect(
            policies,
            branch="train",
            iteration=0,
            episodes=range(5),
            done=finished.append,
            stop=lambda: len(finished) == 2,
        )
    )
    assert [episode.episode_id for episode in episodes] == [0, 1]


def test_without_policies_the_rule_plays_and_nobody_is_asked():
    def rule(environment):
        return {agent: 0 if environment.observe(agent).endswith("left is lit") else 2 for agent in environment.agents}

    collector = Collector(lamps, rule=rule)
    [episode] = asyncio.run(collector.collect(None, branch="train", iteration=0, episodes=[0]))
    assert episode.total_reward == pytest.approx(4 * 0.9)
    assert all(step.action_name in ("press_left", "press_right") and not step.messages for step in episode.steps())


def test_what_is_missing_is_named():
    collector = Collector(lambda: envs.make("lamps"))
    with pytest.raises(ConfigError, match="has no rule agent"):
        asyncio.run(collector.collect(None, branch="train", iteration=0, episodes=[0]))
    policies = dict.fromkeys(collector.environment.agents, "x")
    with pytest.raises(ConfigError, match="need a model"):
        asyncio.run(collector.collect(policies, branch="train", iteration=0, episodes=[0]))


def test_a_rule_team_names_its_actions():
    environment = lamps()
    environment.reset(0)
    steps = asyncio.run(RuleTeam(lambda _: {"keeper_0": 0, "keeper_1": 1}).act(environment, 0, PLACE))
    assert [step.action_name for step in steps] == ["press_left", "wait"]


# -- turns and intervals ---------------------------------------------------------------------------------------------


def test_what_an_agent_earns_while_another_acts_was_earned_with_its_last_decision():
    environment = PettingZooEnvironment("classic/tictactoe-v3", opponents="none", games=1)
    moves = iter(["top_left", "left", "top", "centre", "top_right"])  # the first player's row is complete
    episode = play(environment, ScriptedEngine(lambda messages, options: next(moves)))
    first, second = episode.trajectories
    assert [step.reward for step in first.steps] == [0.0, 0.0, 1.0]
    assert [step.reward for step in second.steps] == [0.0, -1.0]
    assert [step.timestep for step in second.steps] == [1, 3]
    assert [cycle.reward for cycle in episode.cycles] == [0.0] * 5
    assert (episode.length, episode.truncated, episode.cycles[-1].done) == (5, False, True)


def test_an_episode_with_turns_is_written_and_read_again(tmp_path):
    environment = PettingZooEnvironment("classic/tictactoe-v3", games=2)
    collector = Collector(lambda: environment, RulebookEngine())
    policies = dict.fromkeys(environment.agents, "No rules.")
    [episode] = asyncio.run(collector.collect(policies, branch="train", iteration=0, episodes=[0], temperature=0.15))
    assert len({len(trajectory.steps) for trajectory in episode.trajectories}) == 2
    write_episode(tmp_path, episode)
    assert load_episode(tmp_path) == episode
    narrated = narrative(episode)
    assert "Each agent earned its own" in narrated


def test_between_decisions_the_last_action_goes_on():
    engine = ScriptedEngine(pressing)
    environment = lamps(max_cycles=7)
    team = LanguageTeam(environment, dict.fromkeys(environment.agents, "x"), engine, 0.0)
    episode = asyncio.run(rollout(environment, team, PLACE, decision_interval=3))
    assert len(engine.calls) == 3 * 2
    for trajectory in episode.trajectories:
        steps = trajectory.steps
        assert [bool(step.messages) for step in steps] == [True, False, False, True, False, False, True]
        assert steps[1].action == steps[2].action == steps[0].action
        assert all(step.reward is not None for step in steps)
        assert not any(step.observation or step.reply for step in steps if not step.messages)


def test_an_action_goes_on_only_while_it_is_open_and_the_same_agents_act():
    environment = PettingZooEnvironment("classic/tictactoe-v3", opponents="none", games=1)
    engine = ScriptedEngine(lambda messages, options: messages[0].text.rsplit("\n- ", 1)[1].split(" ")[0])
    team = LanguageTeam(environment, dict.fromkeys(environment.agents, "x"), engine, 0.0)
    episode = asyncio.run(rollout(environment, team, PLACE, decision_interval=4))
    assert episode.error is None
    assert len(engine.calls) == episode.length  # the other's turn, every time
    alone = PettingZooEnvironment("classic/tictactoe-v3", seats=["player_1"], opponents="none", games=1)
    team = LanguageTeam(alone, {"player_1": "x"}, engine, 0.0)
    episode = asyncio.run(rollout(alone, team, PLACE, decision_interval=4))
    assert all(step.messages for step in episode.steps())  # a square can be marked once


# -- environments that fail ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "error", "length"),
    [
        ("raise", "lamps failed to take a step: ZeroDivisionError: no light", 2),
        ("nan", "lamps gave the rewards {'keeper_0': nan, 'keeper_1': nan} in cycle 2; not all are finite", 2),
        ("unpaid", "lamps gave keeper_1 no reward in cycle 2", 2),
        ("end", None, 3),
    ],
)
def test_whatever_an_environment_does_is_recorded(how, error, length):
    episode = play(OddLamps(how, max_cycles=5), ScriptedEngine(pressing))
    assert (episode.error, episode.length) == (error, length)
    assert len(episode.cycles) == len(episode.trajectories[0].steps) == length


@pytest.mark.parametrize("method", ["reset", "observe", "describe_state", "global_state"])
def test_whatever_an_environment_raises_is_recorded(method, monkeypatch):
    environment = lamps()

    def broken(*_):
        raise RuntimeError("broken")

    monkeypatch.setattr(environment, method, broken)
    episode = play(environment, ScriptedEngine(pressing))
    assert (episode.error or "").endswith("RuntimeError: broken")
    assert episode.length == 0


def test_an_environment_that_failed_is_not_used_again():
    made = []

    def make():
        made.append(OddLamps("raise" if not made else "", max_cycles=3))
        return made[-1]

    collector = Collector(make, ScriptedEngine(pressing), parallel=1)
    policies = dict.fromkeys(("keeper_0", "keeper_1"), "x")
    episodes = asyncio.run(collector.collect(policies, branch="train", iteration=0, episodes=range(3)))
    assert [episode.error is None for episode in episodes] == [False, True, True]
    assert len(made) == 2
    assert collector.close() == []
