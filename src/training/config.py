"""`TrainingConfig`: everything that defines a training run. The one table of defaults for API, file and command line.

The flat names of an environment's settings (`num_pistons`, `action_mode`, …) may be given directly:
``TrainingConfig(num_pistons=20)`` is ``TrainingConfig(environment={"num_pistons": 20})``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from textgrad_agents.engines.models import LLMConfig, get_llm_config, list_available_models
from textgrad_agents.engines.models.config import PRICES
from textgrad_agents.errors import ConfigError, FileFormatError
from textgrad_agents.files import read_json, write_json
from textgrad_agents.validation import explain, short
from training.environments import ENVIRONMENTS, Count, EnvironmentSettings, PistonballSettings
from training.numeric_config import NumericConfig

SCHEMA_VERSION = 1

Paradigm = Literal["independent", "central_global", "central_credit"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Model = LLMConfig | str | None

RUN_NAME = "1 to 100 letters, digits, dots, dashes or underscores that begin with a letter or digit"
_MODELS = ("llm_config", "episode_llm_config", "textgrad_llm_config", "critic_llm_config", "optimizer_llm_config")
_KINDS = {kind.model_fields["name"].default: kind for kind in ENVIRONMENTS}
_FLAT = ("continuous", *{name: 0 for kind in ENVIRONMENTS for name in kind.model_fields if name != "name"})
_PLACES = {"exp_name", "experiments_dir", "policy_path"}
_LENGTHS = {"num_iterations", "start_iteration", "patience", "min_delta", "restore_best"}
_PICTURES = {"save_gif", "save_mp4"}
_NOT_THE_RUN = _PLACES | _LENGTHS | _PICTURES | {"log_level", "concurrency", "num_workers"}
BUILT_IN_MODELS = ("tiny", "small")
"""Models of this machine that are made when they are first asked for."""
_RATES = {"requests_per_minute", "tokens_per_minute"}
_NOT_THE_MODEL = PRICES | _RATES | {"name", "base_url", "api_key_env_var", "timeout", "stream"}


class Difference(NamedTuple):
    """A setting that differs between two configs."""

    field: str
    here: Any
    there: Any


class TrainingConfig(BaseModel):
    """A training run. Frozen; `replaced` gives a changed copy."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    exp_name: Annotated[str, Field(description="name of the run's folder")] = "pistonball_exp"
    experiments_dir: Annotated[Path, Field(description="folder of all run folders")] = Path("experiments")
    policy_path: Annotated[Path, Field(description="policy file to start from and to write")] = Path(
        "policies/policy.json"
    )
    first_policy: Annotated[
        str | None,
        Field(min_length=1, description="policy that agents begin with where there is no policy file"),
    ] = None
    policy_words: Annotated[
        tuple[str, ...] | None, Field(description="policies are one of these words, parted by spaces in a flag")
    ] = None
    paradigm: Annotated[Paradigm, Field(description="who is given which feedback")] = "central_credit"
    num_iterations: Annotated[Count, Field(description="rounds of collecting and learning")] = 5
    trajectories_per_iteration: Annotated[Count, Field(description="episodes collected per iteration")] = 3
    start_iteration: Annotated[int, Field(strict=True, ge=0, description="iteration to go on from")] = 0
    seed: Annotated[int, Field(strict=True, ge=0, description="root of all random choices")] = 0
    environment: Annotated[EnvironmentSettings, Field(description="what is played")] = PistonballSettings()
    agent_type: Annotated[
        Literal["llm", "rule"], Field(description="llm: agents follow policies; rule: a formula, no learning")
    ] = "llm"
    rule_k: Annotated[Number, Field(description="rule agent: how steep the slope under the ball")] = 1.0
    rule_tau: Annotated[Number, Field(ge=0, description="rule agent: height differences it leaves alone, px")] = 4.0
    model: Annotated[str, Field(min_length=1, description="a known model; auto: the built-in engine")] = "auto"
    llm_config: Annotated[Model, Field(description="model of all roles: fields, a known name, or a JSON file")] = None
    episode_llm_config: Annotated[Model, Field(description="model of the actors, if it is another")] = None
    textgrad_llm_config: Annotated[Model, Field(description="model of critic and optimizer, if it is another")] = None
    critic_llm_config: Annotated[Model, Field(description="model of the critic, if it is another")] = None
    optimizer_llm_config: Annotated[Model, Field(description="model of the optimizer, if it is another")] = None
    base_model: Annotated[
        str | None,
        Field(min_length=1, description="a model of this machine acts: tiny, small, a folder, a hub name"),
    ] = None
    update: Annotated[
        Literal["text", "weights", "both"], Field(description="what learns: the policies' texts, an adapter, or both")
    ] = "text"
    sampler: Annotated[
        str, Field(min_length=1, description="what samples from base_model: local, or the URL of a vLLM server")
    ] = "local"
    numeric: Annotated[NumericConfig, Field(description="how weights learn")] = NumericConfig()
    exploration: Annotated[Number, Field(ge=0, le=2, description="temperature of actors while collecting")] = 0.15
    decision_interval: Annotated[
        Count, Field(description="agents decide in every so many cycles and repeat their action in between")
    ] = 1
    siblings: Annotated[
        Count, Field(description="so many episodes in a row begin alike, to be compared with each other")
    ] = 1
    recall: Annotated[
        int, Field(strict=True, ge=0, description="weights learn again from so many old groups of siblings per update")
    ] = 0
    prompts: Annotated[
        Literal["full", "bare"], Field(description="full: rules, policy, answer format; bare: policy and observation")
    ] = "full"
    mini_batch_size: Annotated[
        Count | None, Field(description="episodes per update; left out, one update learns from all of an iteration")
    ] = None
    credit_summary: Annotated[
        bool, Field(strict=True, description="one call per agent merges what several episodes say of it")
    ] = False
    gradient_memory: Annotated[
        int, Field(strict=True, ge=0, description="the optimizer sees the feedback of so many earlier updates again")
    ] = 0
    gate: Annotated[
        Literal["sequential", "mean", "none"], Field(description="how a new policy has to prove itself")
    ] = "sequential"
    gate_scope: Annotated[
        Literal["joint", "agent"], Field(description="test all agents' new policies together, or each agent's alone")
    ] = "joint"
    gate_episodes: Annotated[Count, Field(description="most pairs of test episodes per decision")] = 12
    alpha: Annotated[Number, Field(gt=0, lt=1, description="most that a worse policy may be accepted by chance")] = 0.05
    patience: Annotated[
        Count | None, Field(description="stop after so many iterations in a row without a better mean return")
    ] = None
    min_delta: Annotated[Number, Field(ge=0, description="what a mean return must gain to count as better")] = 0.0
    restore_best: Annotated[
        bool, Field(strict=True, description="end with the policies of the best mean return, not with the last ones")
    ] = False
    concurrency: Annotated[Count, Field(description="most model calls under way at once")] = 64
    num_workers: Annotated[
        Count, Field(description="processes that play episodes of the rule or of the built-in engine")
    ] = 1
    save_gif: Annotated[bool, Field(strict=True, description="draw episodes as GIF")] = True
    save_mp4: Annotated[bool, Field(strict=True, description="draw episodes as MP4 too (extra video)")] = False
    log_level: Annotated[LogLevel, Field(description="what is logged")] = "INFO"

    def __init__(self, **settings: Any) -> None:
        try:
            super().__init__(**settings)
            return
        except ValidationError as error:
            problems = explain(error, fields=[*type(self).model_fields, *_FLAT], hide=_HIDDEN)
        raise ConfigError(problems)  # outside, so that it drags no key along

    @model_validator(mode="before")
    @classmethod
    def _gather_environment(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Move the flat names into `environment`."""
        flat = {name: value for name, value in settings.items() if name in _FLAT}
        rest = {name: value for name, value in settings.items() if name not in _FLAT}
        given = _settings_of(rest.get("environment", {}))
        _agree_on_actions(flat)
        known = _KINDS[given["name"]].model_fields
        for name in flat:
            if name not in known:
                raise ValueError(f"{name} is no setting of the environment {given['name']}; it has {', '.join(known)}")
        return {**rest, "environment": {**given, **flat}} if flat or "environment" in rest else rest

    @field_validator("exp_name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if not is_run_name(name):
            raise ValueError(f"must be {RUN_NAME}, not {short(name)}")
        return name

    @field_validator("experiments_dir", "policy_path", mode="before")
    @classmethod
    def _check_path(cls, path: object) -> object:
        if not isinstance(path, str | Path) or str(path) in ("", ".") or re.search("[\0\ud800-\udfff]", str(path)):
            raise ValueError(f"must be a path in Unicode, not {short(path)}")
        return path

    @field_validator("policy_words", mode="before")
    @classmethod
    def _split_words(cls, words: object) -> object:
        return tuple(words.split()) if isinstance(words, str) else words

    @field_validator("numeric", mode="before")
    @classmethod
    def _read_numeric(cls, settings: object) -> object:
        if not isinstance(settings, str):
            return settings
        try:
            return json.loads(settings)
        except ValueError as error:
            raise ValueError(f'must be a JSON object, such as {{"lr": 0.003}}: {error}') from None

    @field_validator(*_MODELS, mode="before")
    @classmethod
    def _read_model(cls, model: object) -> object:
        if isinstance(model, Path):
            return str(model)
        if isinstance(model, Mapping):
            try:
                return LLMConfig.from_dict(cast("Mapping[str, Any]", model))
            except ConfigError as error:
                raise ValueError(f"is not usable: {str(error).removeprefix('LLM config: ')}") from None
        if model is None or isinstance(model, LLMConfig) or (isinstance(model, str) and model):
            return model
        raise ValueError(f"must be the fields of a model, a known name or the path of a JSON file, not {short(model)}")

    @model_validator(mode="after")
    def _check_start(self) -> Self:
        if self.start_iteration >= self.num_iterations:
            raise ValueError(
                f"start_iteration {self.start_iteration} must be below num_iterations {self.num_iterations}; "
                "raise num_iterations to go on further"
            )
        return self

    @model_validator(mode="after")
    def _check_update(self) -> Self:
        if self.base_model is None:
            if self.update != "text":
                raise ValueError(
                    f"update {self.update!r} trains weights, and a model that is asked over a network gives no tokens "
                    "to train on; name one of this machine with base_model (tiny, small, a folder or a hub name)"
                )
            if self.sampler != "local":
                raise ValueError(f"sampler {short(self.sampler)} samples from a base_model, and there is none; name it")
            return self
        if self.agent_type == "rule":
            raise ValueError("agent_type 'rule' asks no model; leave out base_model")
        if self.sampler != "local" and not re.match(r"https?://[^\s/]", self.sampler):
            raise ValueError(f"sampler must be local or the URL of a vLLM server, not {short(self.sampler)}")
        if self.sampler != "local" and self.base_model in BUILT_IN_MODELS:
            raise ValueError(f"sampler {short(self.sampler)} cannot serve the built-in model; use sampler local")
        if self.base_model in BUILT_IN_MODELS and self.update != "weights" and self.environment.name != "math":
            raise ValueError(
                f"update {self.update!r} rewrites policies in English, which the built-in model {self.base_model} does "
                "not follow outside of math; use update weights, or a base_model that follows instructions"
            )
        return self

    @model_validator(mode="after")
    def _check_siblings(self) -> Self:
        if self.trajectories_per_iteration % self.siblings:
            raise ValueError(
                f"trajectories_per_iteration {self.trajectories_per_iteration} must be a multiple of siblings "
                f"{self.siblings}; each start is played {self.siblings} times"
            )
        return self

    @model_validator(mode="after")
    def _name_run(self) -> Self:
        """A run that nobody named is called by what it plays."""
        if "exp_name" not in self.model_fields_set:
            object.__setattr__(self, "exp_name", self.environment.run_name)  # not set by anybody, so not in fields_set
        return self

    @property
    def num_pistons(self) -> int:
        """Number of agents."""
        settings = self.environment
        return settings.num_pistons if isinstance(settings, PistonballSettings) else settings.num_agents

    @property
    def max_cycles(self) -> int:
        """Length of an episode that is not won."""
        return self.environment.max_cycles

    @property
    def action_mode(self) -> Literal["discrete", "continuous"]:
        """Kind of actions."""
        settings = self.environment
        return settings.action_mode if isinstance(settings, PistonballSettings) else "discrete"

    @property
    def continuous(self) -> bool:
        """True if actions are numbers from -1 to 1."""
        return self.action_mode == "continuous"

    def replaced(self, **changes: Any) -> Self:
        """A copy with some settings changed (flat names too), checked anew; what was not given stays not given.

        Raises:
            ConfigError: a setting is unknown or unusable.
        """
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return type(self)(**given | changes)

    def get_llm_config(self) -> LLMConfig:
        """The model of all roles that have none of their own: `llm_config`, else `model`.

        Raises:
            ConfigError: no such model.
            FileFormatError: the file of the model is missing or damaged.
        """
        if self.llm_config is not None:
            return _resolve(self.llm_config)
        if self.model in ("auto", "rulebook"):
            return _BUILT_IN
        return get_llm_config(self.model)

    def get_episode_llm_config(self) -> LLMConfig:
        """The model of the actors."""
        return self.get_llm_config() if self.episode_llm_config is None else _resolve(self.episode_llm_config)

    def get_textgrad_llm_config(self) -> LLMConfig:
        """The model of critic and optimizer, where they have none of their own."""
        return self.get_llm_config() if self.textgrad_llm_config is None else _resolve(self.textgrad_llm_config)

    def get_critic_llm_config(self) -> LLMConfig:
        """The model of the critic."""
        return self.get_textgrad_llm_config() if self.critic_llm_config is None else _resolve(self.critic_llm_config)

    def get_optimizer_llm_config(self) -> LLMConfig:
        """The model of the optimizer."""
        own = self.optimizer_llm_config
        return self.get_textgrad_llm_config() if own is None else _resolve(own)

    @property
    def models(self) -> dict[Literal["actor", "critic", "optimizer"], LLMConfig]:
        """The model of each role."""
        return {
            "actor": self.get_episode_llm_config(),
            "critic": self.get_critic_llm_config(),
            "optimizer": self.get_optimizer_llm_config(),
        }

    @property
    def asked_roles(self) -> tuple[Literal["actor", "critic", "optimizer"], ...]:
        """The roles in which a run asks a model of `models`: a `base_model` acts itself, and weights need no words."""
        if self.base_model is None:
            return ("actor", "critic", "optimizer")
        if self.update != "weights":
            return ("critic", "optimizer")
        return ("critic",) if self.numeric.reads_judgements else ()

    def get_model_display_name(self) -> str:
        """The model's name for people."""
        return display_name(self.get_llm_config())

    @staticmethod
    def list_available_models() -> list[str]:
        """The known models."""
        return list_available_models()

    def fingerprint(self) -> str:
        """Hash of what defines the run: environment, agents, models, paradigm, seed, gate, but no paths, no lengths."""
        text = json.dumps(self._definition(resolve=True), sort_keys=True)
        return blake2b(text.encode(), digest_size=16).hexdigest()

    def differences(self, other: TrainingConfig) -> list[Difference]:
        """The settings that make `other` another run."""
        mine, theirs = self._definition(resolve=False), other._definition(resolve=False)
        common = [name for name in mine if name in theirs]  # what only one of them has follows from a setting of both
        return [Difference(name, mine[name], theirs[name]) for name in common if mine[name] != theirs[name]]

    def to_dict(self) -> dict[str, Any]:
        """All settings as JSON-like values, with schema version and fingerprint, without keys."""
        settings = self.model_dump(mode="json", exclude=set(_MODELS))
        models = {name: _as_written(getattr(self, name)) for name in _MODELS}
        return {"schema_version": SCHEMA_VERSION, "fingerprint": self.fingerprint(), **settings, **models}

    def to_json(self, path: str | Path) -> None:
        """Write the settings, without keys."""
        write_json(Path(path), self.to_dict())

    @classmethod
    def from_json(cls, path: str | Path, **changes: Any) -> Self:
        """Read settings; those in `changes` win over the file.

        A key in the file is ignored: keys are read from the environment.

        Raises:
            FileFormatError: the file is missing, damaged, or holds what is no setting.
            ConfigError: `changes` are not usable.
        """
        settings = read_settings(Path(path))
        settings.pop("fingerprint", None)
        if settings.get("policy_path") == str(cls.model_fields["policy_path"].default):
            del settings["policy_path"]  # nobody chose it
        try:
            config = cls(**settings)
        except ConfigError as error:
            raise FileFormatError(f"config file {path}: {error}") from None
        return config.replaced(**changes) if changes else config

    def _definition(self, *, resolve: bool) -> dict[str, Any]:
        """What defines the run, by flat name."""
        left_out = {*_NOT_THE_RUN, "environment", "model", *_MODELS}
        if self.update == "text":
            left_out.add("numeric")
        settings = self.model_dump(mode="json", exclude=left_out)
        played = self.environment.parameters()
        definition = {"environment": played.pop("name"), **played, **settings}
        if self.agent_type == "rule":
            return definition
        if not resolve:
            return definition | {name: _as_written(getattr(self, name)) for name in ("model", *_MODELS)}
        return definition | {role: _identity(model) for role, model in self.models.items()}


def display_name(model: LLMConfig) -> str:
    """A model's name for people."""
    if model is _BUILT_IN:
        return "rulebook (built in)"
    return f"{model.name} ({model.model_string}{f' via {model.base_url}' if model.base_url else ''})"


def is_run_name(name: str) -> bool:
    """True if a run may be called so: `RUN_NAME`. Such a name is no path."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) is not None


def read_settings(path: Path) -> dict[str, Any]:
    """The settings in a config file as they stand there, without schema version and keys.

    Raises:
        FileFormatError: the file is missing, damaged, or of a newer version.
    """
    settings = read_json(path, what="config file")
    if not isinstance(settings, dict):
        raise FileFormatError(f"config file {path} must hold one JSON object, not {short(settings)}")
    settings = cast("dict[str, Any]", settings)
    version = settings.pop("schema_version", None)
    if version is None:  # of the system that set `continuous` beside an `action_mode` of its own
        if settings.get("continuous") is False and "action_mode" in settings:
            del settings["continuous"]
    elif type(version) is not int or version != SCHEMA_VERSION:
        raise FileFormatError(
            f"config file {path} has schema_version {short(version)}; this version reads {SCHEMA_VERSION}"
        )
    for name in _MODELS:
        if isinstance(settings.get(name), dict):
            settings[name].pop("api_key", None)
    return settings


def _settings_of(environment: object) -> dict[str, Any]:
    """The settings given for an environment, with its name.

    Raises:
        ValueError: it is none.
    """
    if isinstance(environment, ENVIRONMENTS):
        return environment.model_dump(exclude_unset=True) | {"name": environment.name}
    given = {"name": environment} if isinstance(environment, str) else environment
    if not isinstance(given, dict):
        raise ValueError(f"environment must be a name or an object of settings, not {short(given)}")
    settings: dict[str, Any] = {"name": "pistonball", **given}
    if settings["name"] not in [*_KINDS]:
        *others, last = _KINDS
        raise ValueError(f"environment must be {', '.join(others)} or {last}, not {short(settings['name'])}")
    return settings


def _agree_on_actions(flat: dict[str, Any]) -> None:
    """Turn `continuous` into `action_mode`.

    Raises:
        ValueError: the two contradict each other.
    """
    if "continuous" not in flat:
        return
    continuous = flat.pop("continuous")
    if not isinstance(continuous, bool):
        raise ValueError(f"continuous must be true or false, not {short(continuous)}")
    mode = "continuous" if continuous else "discrete"
    if flat.setdefault("action_mode", mode) != mode:
        raise ValueError(
            f"continuous={continuous} and action_mode={short(flat['action_mode'])} contradict each other; give one"
        )


def _resolve(model: LLMConfig | str) -> LLMConfig:
    if isinstance(model, LLMConfig):
        return model
    return _BUILT_IN if model in ("auto", "rulebook") else get_llm_config(model)


def _identity(model: LLMConfig) -> dict[str, Any]:
    """What makes a model answer as it does; where it is served and what it costs is not part of it."""
    return {name: value for name, value in model.to_dict().items() if name not in _NOT_THE_MODEL}


def _as_written(model: Model) -> Any:
    return model.to_dict() if isinstance(model, LLMConfig) else model


_BUILT_IN = LLMConfig(name="rulebook", model_string="rulebook", api_key_env_var=None)
_HIDDEN = ("environment", *_KINDS)
