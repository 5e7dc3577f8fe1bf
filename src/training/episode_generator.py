"""EpisodeGenerator: plays episodes of Pistonball (or another environment), writes them down, draws and scores them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Self

from envs.frames import require_mp4
from textgrad_agents.engines import LLMConfig, Stack
from textgrad_agents.errors import ConfigError, EnvError
from textgrad_agents.files import write_json
from textgrad_agents.interfaces import Engine
from textgrad_agents.seeds import text_hash
from textgrad_agents.session import current_session
from textgrad_agents.trajectory import Episode
from training.checkpoints import Checkpoint
from training.collect import Branch, Collector
from training.config import TrainingConfig
from training.drawing import draw_episode
from training.engines import BUILT_IN, Engines
from training.export import episode_to_dict, write_episode
from training.export.encoding import AgentType
from training.rules import rule_of
from training.scores import summarise
from training.workers import portable

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
        self._collectors: dict[tuple[bool, int, bool], Collector] = {}

    @classmethod
    def of(cls, config: TrainingConfig, engine: Engine | None = None) -> Self:
        """The generator of a training run."""
        return cls(config=config, engine=engine)

    def collector(self, *, with_model: bool, num_workers: int | None = None, parallel: bool = True) -> Collector:
        """Plays the episodes. A model is reached for only where policies act.

        Args:
            with_model: whether policies act.
            num_workers: processes for episodes of the rule or of the built-in engine; None for the config's.
            parallel: False plays one episode after another, in this process.
        """
        workers = (self.config.num_workers if num_workers is None else num_workers) if parallel else 1
        key = with_model, workers, parallel
        if key not in self._collectors:
            config = self.config
            engine = (self._engine or self._named()) if with_model else None
            self._collectors[key] = Collector(
                config.environment.make,
                engine,
                rule=rule_of(config),
                seed=config.seed,
                parallel=self._at_once(engine) if parallel else 1,
                workers=workers,
                decision_interval=config.decision_interval,
                siblings=config.siblings,
                bare=config.prompts == "bare",
            )
        return self._collectors[key]

    def _at_once(self, engine: Engine | None) -> int:
        """Episodes under way at once: as many as calls, where episodes are waited for rather than computed."""
        computed = engine is None or portable(engine)
        return PARALLEL_EPISODES if computed else max(PARALLEL_EPISODES, self.config.concurrency)

    def close(self) -> list[str]:
        """Close the environments and let the workers go; returns what went wrong."""
        return [problem for collector in self._collectors.values() for problem in collector.close()]

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
        num_workers: int | None = None,
        parallel: bool = True,
        save_gif: bool = True,
        gif_fps: int = 30,
        incremental_save: bool | None = None,
        save_interval: int = 10,
        save_mp4: bool = False,
    ) -> list[dict[str, Any]]:
        """Play and record episodes 0 to `num_episodes` - 1 of an iteration.

        What comes of it does not depend on `num_workers` and `parallel`. Episodes that failed are in the list, with
        their `error`.

        Args:
            num_episodes: how many.
            iteration: number of the iteration, for folder and seeds.
            agent_policies: who acts; None for the rule.
            num_workers: processes for episodes of the rule or of the built-in engine; None for the config's. A script
                that asks for more than one needs ``if __name__ == "__main__":``.
            parallel: False plays one episode after another, in this process.
            save_gif: draw each episode when it is over.
            gif_fps: pictures per second.
            incremental_save: keep checkpoints of episodes while they are played (`training.checkpoints`), and go on
                with those that are there; None does so where another than the built-in engine acts.
            save_interval: after how many cycles, each time.
            save_mp4: draw each episode as an MP4 too.

        Returns:
            The episodes as they stand in their ``episode.json``.

        Raises:
            ConfigError: a number is out of range, policies are for other agents, MP4 cannot be written here, or workers
                cannot start.
            EngineAccessError: the model cannot be reached with this key.
        """
        if save_mp4:
            require_mp4()
        for name, number in (("num_workers", num_workers), ("save_interval", save_interval)):
            if number is not None and number < 1:
                raise ConfigError(f"{name} must be at least 1, got {number}")
        policies = self._acting(agent_policies)
        kind: AgentType = "rule" if policies is None else "llm"
        collector = self.collector(with_model=policies is not None, num_workers=num_workers, parallel=parallel)

        def keeper(number: int) -> Checkpoint:
            origin = self._origin(policies, iteration, number)
            return Checkpoint(
                self._folder(iteration, number), save_interval, origin, kind, gif_fps if save_gif else None
            )

        keeping = policies is not None and self._is_paid_for() if incremental_save is None else incremental_save
        episodes = self._play(
            collector, policies, num_episodes, iteration, "train", self.config.exploration, keeper if keeping else None
        )
        written: list[dict[str, Any]] = []
        for episode in episodes:
            folder, name = self._folder(iteration, episode.episode_id), f"episode_{episode.episode_id}"
            gif = draw_episode(episode, folder / f"{name}.gif", gif_fps) if save_gif and episode.length else None
            if save_mp4 and episode.length:
                draw_episode(episode, folder / f"{name}.mp4", gif_fps)
            write_episode(folder, episode, agent_type=kind, gif_path=gif)
            keeper(episode.episode_id).remove()
            written.append(episode_to_dict(episode, agent_type=kind, gif_path=gif))
        if num_workers is not None:
            collector.close()
        return written

    def render_single_episode(
        self,
        agent_policies: Policies | None = None,
        save_path: str | Path = "./episode.gif",
        fps: int = 30,
    ) -> tuple[float, int, str]:
        """Play one episode and draw it, as a GIF, or as an MP4 where `save_path` ends so.

        Returns:
            Total reward, number of cycles, path of the picture.
        """
        policies = self._acting(agent_policies)
        [episode] = self._play(self.collector(with_model=policies is not None), policies, 1, 0, "evaluate", 0.0)
        if episode.error is not None:
            raise EnvError(episode.error)
        draw_episode(episode, save_path, fps)
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
            Number of episodes and of those that failed, the first error; mean, standard deviation, least and greatest
            reward, a 95 % interval of the mean, mean and standard deviation of the length; all rewards and lengths,
            paths of the GIFs, and a result per episode.
        """
        policies = self._acting(agent_policies)
        collector = self.collector(with_model=policies is not None)
        episodes = self._play(collector, policies, num_episodes, 0, "evaluate", 0.0)
        gifs: list[str] = []
        if save_dir is not None and self.config.save_gif:
            for episode in episodes:
                if episode.length:
                    path = Path(save_dir) / f"episode_{episode.episode_id}.gif"
                    gifs.append(str(draw_episode(episode, path, gif_fps)))
        summary = summarise(episodes, gifs)
        if save_dir is not None:
            write_json(Path(save_dir) / "evaluation_summary.json", summary)
        return summary

    # -- inside --------------------------------------------------------------------------------------------------

    def _play(
        self,
        collector: Collector,
        policies: Mapping[str, str] | None,
        count: int,
        iteration: int,
        branch: Branch,
        temperature: float,
        keeper: Callable[[int], Checkpoint] | None = None,
    ) -> list[Episode]:
        if count < 1:
            raise ConfigError(f"num_episodes must be at least 1, got {count}")

        async def play() -> list[Episode]:
            return await collector.collect(
                policies,
                branch=branch,
                iteration=iteration,
                episodes=range(count),
                temperature=temperature,
                keeper=keeper,
            )

        return current_session().portal.run(play())

    def _folder(self, iteration: int, episode: int) -> Path:
        return self.folder / f"iteration_{iteration}" / f"episode_{episode}"

    def _origin(self, policies: Mapping[str, str] | None, iteration: int, episode: int) -> str:
        """Hash of all that an episode follows from."""
        return text_hash(json.dumps([self.config.fingerprint(), policies, iteration, episode], sort_keys=True))

    def _is_paid_for(self) -> bool:
        """True if another than the built-in engine acts: its replies are not asked for twice."""
        if self._engine is not None:
            return not portable(self._engine)
        return self.config.get_episode_llm_config().name != BUILT_IN

    def _acting(self, policies: Policies | None) -> dict[str, str] | None:
        """The policies that act, or None for the rule."""
        if self._agent_type == "rule" or (policies is None and self._agent_type is None):
            return None
        if policies is None:
            raise ConfigError('agent_type "llm" needs agent_policies: a policy text for each agent')
        return plain_policies(policies)


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
