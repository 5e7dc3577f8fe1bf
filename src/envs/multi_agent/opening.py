"""Games by name.

A name is one of PettingZoo's (``classic/tictactoe-v3``); a package and a game in it that is made the same way
(``mpe2/simple_spread-v3``: `env` or `parallel_env` in the module ``mpe2.simple_spread_v3``); or ``module:attribute`` of
a user's own function or class that builds a PettingZoo environment.
"""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from envs.multi_agent.games import AecGame, Game, ParallelGame, is_picture
from textgrad_agents.errors import ConfigError

_NAME = re.compile(r"(?:(?P<package>\w+)/)?(?P<game>\w+?)(?:[-_]v(?P<version>\d+))?")

Wrap = Callable[[str, Any, Callable[[], Any]], Game]


def open_game(name: str, options: Mapping[str, Any], *, draws: bool = False, wrap: Wrap | None = None) -> Game:
    """Build a game. Where it has both interfaces, all its agents act at once.

    Args:
        name: its name.
        options: what its maker takes.
        draws: build it so that `render` gives pictures; a game whose agents see pictures always draws.
        wrap: makes a Game of a parallel environment, in place of `ParallelGame`.

    Raises:
        ConfigError: there is no such game, it needs what is not installed, or it does not take the options.
    """
    name, maker = _maker(name)
    make = partial(_build, name, maker, dict(options) | ({"render_mode": "rgb_array"} if draws else {}))
    game = _game(name, make, wrap)
    if draws or game.draws or not any(is_picture(game.observation_space(seat)) for seat in game.seats):
        return game
    return open_game(name, options, draws=True, wrap=wrap)


def game_key(name: str) -> str:
    """The name under which a game is described: without its version (``classic/tictactoe``)."""
    match = _NAME.fullmatch(name)
    return _key(match) if match else name


def _key(match: re.Match[str]) -> str:
    return f"{match['package']}/{match['game']}" if match["package"] else match["game"]


def _game(name: str, make: Callable[[], Any], wrap: Wrap | None) -> Game:
    env = make()
    from pettingzoo import AECEnv, ParallelEnv  # pyright: ignore[reportMissingTypeStubs]

    if isinstance(env, ParallelEnv):
        return (wrap or ParallelGame)(name, env, make)
    if isinstance(env, AECEnv):
        return AecGame(name, env, make)
    raise ConfigError(f"{name} builds {type(env).__name__}; a game is an AECEnv or a ParallelEnv of PettingZoo")


def _build(name: str, make: Callable[..., Any], options: dict[str, Any]) -> Any:
    try:
        return make(**options)
    except ImportError as error:
        raise ConfigError(f"{name} needs what is not installed ({error}); install it, or choose another game") from None
    except (AssertionError, TypeError, ValueError) as error:
        given = ", ".join(options) or "none"
        raise ConfigError(f"{name} cannot be made with the options given ({given}): {error}") from None


def _maker(name: str) -> tuple[str, Callable[..., Any]]:
    """A game's name in full, and what makes it."""
    try:
        from pettingzoo import aec_registry, make, parallel_registry  # pyright: ignore[reportMissingTypeStubs]
        from pettingzoo.env_registry.exceptions import FailedToImport  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        raise ConfigError("PettingZoo games need PettingZoo; install textgrad-agents[envs]") from None
    if ":" in name:
        module, _, attribute = name.partition(":")
        return name, _attribute(name, module, (attribute,))
    match = _NAME.fullmatch(name)
    if match is None:
        raise ConfigError(f"{name!r} names no game; names look like classic/tictactoe-v3 or my_module:my_env")
    known = {key: spec for registry in (aec_registry, parallel_registry) for key, spec in registry.items()}
    versions = {
        spec.version: key
        for key, spec in known.items()
        if (spec.namespace, spec.name) == (match["package"], match["game"])
    }
    version = int(match["version"]) if match["version"] else max((one or 0 for one in versions), default=None)
    if version in versions:
        kind = "parallel" if versions[version] in parallel_registry else "aec"

        def registered(**options: Any) -> Any:
            try:
                return make(kind, versions[version], **options)
            except FailedToImport as error:
                raise ImportError(str(error.__cause__ or error)) from None

        return versions[version], registered
    if versions:
        raise ConfigError(f"there is no game {name}; there is {', '.join(sorted(versions.values()))}")
    if match["package"] in {None, *(spec.namespace for spec in known.values())} or version is None:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        guess = f"did you mean {' or '.join(near)}?" if near else f"PettingZoo has {', '.join(sorted(known))}"
        raise ConfigError(f"there is no game {name}; {guess}")
    module = f"{match['package']}.{match['game']}_v{version}"
    return f"{_key(match)}-v{version}", _attribute(name, module, ("parallel_env", "env"))


def _attribute(name: str, module: str, attributes: tuple[str, ...]) -> Callable[..., Any]:
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(f"{name} is in {module}, which cannot be imported ({error}); install what it needs") from None
    for attribute in attributes:
        if callable(getattr(found, attribute, None)):
            return getattr(found, attribute)
    raise ConfigError(f"{name} should be {' or '.join(attributes)} in {module}, which has no such function")
