"""EpisodeGenerator: plays episodes of Pistonball (or another environment), writes them down, draws and scores them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, cast

from envs.base import MultiAgentEnvironment
from envs.frames import write_gif
from envs.registry import make
from textgrad_agents.engines import LLMConfig, Stack
from textgrad_agents.errors import ConfigError
from textgrad_agents.files import write_json
from textgrad_agents.interfaces import Engine
from textgrad_agents.session import current_session
from textgrad_agents.trajectory import Episode
from training.collect import Branch, Collector, Rule
from training.config import TrainingConfig
from training.engines import Engines
from training.export import episode_to_dict, write_episode

Policies = Mapping[str, Mapping[str, str] | str]
DEFAULTS = TrainingConfig()
PARALLEL_EPISODES = 8


class EpisodeGenerator:
    """Plays episodes and keeps their records under ``experiments_dir/exp_name``.

    Args:
        num_pistons: agents of Pistonball.
        max_cycles: length of an episode that is not won.
        frame_size, stack_size: of agents that see pictures; agents that read text ignore them.
        continuous: same as ``action_mode="continuous"``.
        experiments_dir, exp_name: where records go.
        agent_type: "rule" plays the hand-written rule, "llm" the policies; None means "llm" where policies are given.
        gpt_model: model of the agents; "auto" is the built-in engine.
        action_mode: "discrete" or "continuous".
        random_drop: the ball starts at a random place.
        pistons_start_low: all pistons start fully retracted.
        rule_k, rule_tau: of the rule agent.
        llm_config: model of the agents: fields, a known name, or the path of a JSON file.
        seed: root of all random choices.
        config: a whole configuration; then nothing else but `engine` is given.
        engine: answers for the agents in place of a named model.

    Raises:
        ConfigError: an argument is not usable.
    """

    def __init__(
        self,
        num_pistons: int = DEFAULTS.num_pistons,
        max_cycles: int = DEFAULTS.max_cycles,
        frame_size: tuple[int, int] = (64, 64),
        stack_size: int = 4,
        continuous: bool | None = None,
        experiments_dir: str | Path = DEFAULTS.experiments_dir,
        exp_name: str = DEFAULTS.exp_name,
        agent_type: Literal["llm", "rule"] | None = None,
        gpt_model: str = DEFAULTS.model,
        action_mode: Literal["discrete", "continuous"] | None = None,
        random_drop: bool = True,
        pistons_start_low: bool = False,
        rule_k: float = DEFAULTS.rule_k,
        rule_tau: float = DEFAULTS.rule_tau,
        llm_config: LLMConfig | Mapping[str, Any] | str | Path | None = None,
        seed: int = DEFAULTS.seed,
        *,
        config: TrainingConfig | None = None,
        engine: Engine | None = None,
    ) -> None:
        if config is None:
            modes = {"continuous": continuous, "action_mode": action_mode, "agent_type": agent_type}
            config = TrainingConfig(
                num_pistons=num_pistons,
                max_cycles=max_cycles,
                frame_size=frame_size,
                stack_size=stack_size,
                experiments_dir=experiments_dir,
                exp_name=exp_name,
                model=gpt_model,
                random_drop=random_drop,
                pistons_start_low=pistons_start_low,
                rule_k=float(rule_k),
                rule_tau=float(rule_tau),
                llm_config=llm_config,
                seed=seed,
                **{name: value for name, value in modes.items() if value is not None},
            )
        else:
            agent_type = config.agent_type
        self.config = config
        self._agent_type = agent_type
        self._engine = engine
        self._collectors: dict[bool, Collector] = {}

    @classmethod
    def of(cls, config: TrainingConfig, engine: Engine | None = None) -> Self:
        """The generator of a training run."""
        return cls(config=config, engine=engine)

    def collector(self, *, with_model: bool) -> Collector:
        """Plays the episodes. A model is reached for only where policies act."""
        if with_model not in self._collectors:
            config = self.config
            engine = (self._engine or self._named()) if with_model else None
            self._collectors[with_model] = Collector(
                config.environment.make,
                engine,
                rule=rule_of(config),
                seed=config.seed,
                parallel=PARALLEL_EPISODES,
                decision_interval=config.decision_interval,
            )
        return self._collectors[with_model]

    def _named(self) -> Engine:
        """The engine that the config names."""
        return Engines.of(self.config).at_work(Stack(concurrency=self.config.concurrency)).actor

    @property
    def folder(self) -> Path:
        """Where the records go."""
        return self.config.experiments_dir / self.config.exp_name

    # -- playing -------------------------------------------------------------------------------------------------

    def generate_episodes(
        self,
        num_episodes: int,
        iteration: int = 0,
        agent_policies: Policies | None = None,
        save_gif: bool = True,
        gif_fps: int = 30,
    ) -> list[dict[str, Any]]:
        """Play and record episodes 0 to `num_episodes` - 1 of an iteration.

        Returns:
            The episodes as they stand in their ``episode.json``.

        Raises:
            ConfigError: a number is out of range, or policies are for other agents.
            EngineAccessError: the model cannot be reached with this key.
        """
        policies = self._acting(agent_policies)
        episodes = self._play(policies, num_episodes, iteration, "train", self.config.exploration)
        written: list[dict[str, Any]] = []
        for episode in episodes:
            folder = self.folder / f"iteration_{iteration}" / f"episode_{episode.episode_id}"
            gif = self.draw(episode, folder / f"episode_{episode.episode_id}.gif", gif_fps) if save_gif else None
            write_episode(folder, episode, agent_type=self._type(policies), gif_path=gif)
            written.append(episode_to_dict(episode, agent_type=self._type(policies), gif_path=gif))
        return written

    def render_single_episode(
        self,
        agent_policies: Policies | None = None,
        save_path: str | Path = "./episode.gif",
        fps: int = 30,
    ) -> tuple[float, int, str]:
        """Play one episode and draw it.

        Returns:
            Total reward, number of cycles, path of the GIF.
        """
        [episode] = self._play(self._acting(agent_policies), 1, 0, "evaluate", 0.0)
        self.draw(episode, Path(save_path), fps)
        return episode.total_reward, episode.length, str(save_path)

    def evaluate_policy(
        self,
        agent_policies: Policies | None = None,
        num_episodes: int = 1,
        save_dir: str | Path | None = None,
        gif_fps: int = 30,
    ) -> dict[str, Any]:
        """Play episodes that no training has seen, without exploration, and summarise them.

        With `save_dir`, a GIF of each episode and ``evaluation_summary.json`` are written there.

        Returns:
            Number of episodes, mean, standard deviation, least and greatest reward, a 95 % interval of the mean, mean
            and standard deviation of the length, all rewards and lengths, paths of the GIFs, and a result per episode.
        """
        episodes = self._play(self._acting(agent_policies), num_episodes, 0, "evaluate", 0.0)
        gifs: list[str] = []
        if save_dir is not None and self.config.save_gif:
            for episode in episodes:
                path = Path(save_dir) / f"episode_{episode.episode_id}.gif"
                gifs.append(str(self.draw(episode, path, gif_fps)))
        summary = summarise(episodes, gifs)
        if save_dir is not None:
            write_json(Path(save_dir) / "evaluation_summary.json", summary)
        return summary

    def draw(self, episode: Episode, path: Path, fps: int = 30) -> Path:
        """Draw a recorded episode as a GIF.

        Raises:
            ConfigError: imageio is missing, `fps` is out of range, or the environment has no pictures.
        """
        actions: list[dict[str, Any]] = [{} for _ in range(episode.length)]
        for step in episode.steps():
            actions[step.timestep][step.agent] = step.action
        try:
            frames = make(**episode.environment).frames(episode.seed, actions)
        except NotImplementedError as error:
            raise ConfigError(f"{error}; pass save_gif=False") from None
        write_gif(path, frames, fps)
        return path

    # -- inside --------------------------------------------------------------------------------------------------

    def _play(
        self, policies: Mapping[str, str] | None, count: int, iteration: int, branch: Branch, temperature: float
    ) -> list[Episode]:
        if count < 1:
            raise ConfigError(f"num_episodes must be at least 1, got {count}")

        async def play() -> list[Episode]:
            return await self.collector(with_model=policies is not None).collect(
                policies, branch=branch, iteration=iteration, episodes=range(count), temperature=temperature
            )

        return current_session().portal.run(play())

    def _acting(self, policies: Policies | None) -> dict[str, str] | None:
        """The policies that act, or None for the rule."""
        if self._agent_type == "rule" or (policies is None and self._agent_type is None):
            return None
        if policies is None:
            raise ConfigError('agent_type "llm" needs agent_policies: a policy text for each agent')
        return plain_policies(policies)

    @staticmethod
    def _type(policies: Mapping[str, str] | None) -> Literal["llm", "rule"]:
        return "rule" if policies is None else "llm"


def plain_policies(policies: Policies) -> dict[str, str]:
    """Policy texts by agent, from ``{agent: text}`` or from ``{agent: {"policy": text}}`` as policy files have it.

    Raises:
        ConfigError: an entry is neither.
    """
    plain: dict[str, str] = {}
    for agent, entry in policies.items():
        text: Any = entry.get("policy") if isinstance(entry, Mapping) else entry
        if not isinstance(text, str):
            raise ConfigError(f"the policy of {agent} must be a text or {{'policy': text}}, not {entry!r}")
        plain[agent] = text
    return plain


def rule_of(config: TrainingConfig) -> Rule | None:
    """The hand-written rule of the config's environment, if it has one."""
    settings = config.environment
    if settings.name != "pistonball" or settings.pictures:
        return None

    def rule(environment: MultiAgentEnvironment) -> Mapping[str, int | float]:
        from envs.pistonball.environment import PistonballEnvironment
        from envs.pistonball.rule import rule_actions

        return rule_actions(cast("PistonballEnvironment", environment), k=config.rule_k, tau=config.rule_tau)

    return rule


def summarise(episodes: list[Episode], gifs: list[str]) -> dict[str, Any]:
    """Rewards and lengths of the episodes that did not fail, and a 95 % interval of the mean reward."""
    sound = [episode for episode in episodes if episode.error is None]
    rewards = [episode.total_reward for episode in sound]
    lengths = [episode.length for episode in sound]
    mean = statistics.fmean(rewards) if rewards else None
    spread = statistics.stdev(rewards) if len(rewards) > 1 else 0.0
    half = _T_95.get(len(rewards) - 1, 1.96) * spread / math.sqrt(len(rewards)) if len(rewards) > 1 else None
    return {
        "num_episodes": len(episodes),
        "failed_episodes": len(episodes) - len(sound),
        "mean_reward": mean,
        "std_reward": spread,
        "interval_95": None if mean is None or half is None else [mean - half, mean + half],
        "min_reward": min(rewards, default=None),
        "max_reward": max(rewards, default=None),
        "mean_length": statistics.fmean(lengths) if lengths else None,
        "std_length": statistics.stdev(lengths) if len(lengths) > 1 else 0.0,
        "all_rewards": rewards,
        "all_lengths": lengths,
        "gif_paths": gifs,
        "episode_results": [
            {
                "episode_id": episode.episode_id,
                "seed": episode.seed,
                "reward": episode.total_reward,
                "length": episode.length,
                "error": episode.error,
            }
            for episode in episodes
        ],
    }


# Two-sided 95 % quantiles of Student's t distribution by degrees of freedom; 1.96 stands in beyond the table.
_T_95 = dict(
    enumerate(
        (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.10,
         2.09, 2.09, 2.08, 2.07, 2.07, 2.06, 2.06, 2.06, 2.05, 2.05, 2.05, 2.04), start=1,
    )
)  # fmt: skip
