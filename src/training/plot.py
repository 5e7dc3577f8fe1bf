"""`reward_curve.png`: what the iterations earned, and which new policies were let in."""

# pyright: reportUnknownMemberType=false
# matplotlib's own annotations leave keyword arguments open.

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textgrad_agents.errors import ConfigError
from textgrad_agents.files import write_bytes


def plot_rewards(stats: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the average reward of each iteration with the band from least to greatest, and the gate's decisions.

    Args:
        stats: rows of `train_full`: avg_reward, min_reward, max_reward, and optionally iteration and accepted.
        path: the picture to write (PNG).

    Raises:
        ConfigError: matplotlib is not installed, there is nothing to draw, or the file cannot be written.
    """
    if not stats:
        raise ConfigError(f"a reward curve needs at least one iteration; none were given for {path}")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError:
        raise ConfigError("drawing a reward curve needs matplotlib; install textgrad-agents[plot]") from None
    iterations = [row.get("iteration", number) for number, row in enumerate(stats)]
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.fill_between(
        iterations,
        [row["min_reward"] for row in stats],
        [row["max_reward"] for row in stats],
        alpha=0.2,
        label="least to greatest",
    )
    axes.plot(iterations, [row["avg_reward"] for row in stats], marker=".", label="average")
    for accepted, marker, label in ((True, "^", "new policies accepted"), (False, "x", "policies kept")):
        chosen = [
            (i, row["avg_reward"]) for i, row in zip(iterations, stats, strict=True) if row.get("accepted") is accepted
        ]
        if chosen:
            axes.plot(*zip(*chosen, strict=True), marker, markersize=9, linestyle="none", label=label)
    axes.set_xlabel("iteration")
    axes.set_ylabel("total reward of an episode")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120, metadata={"Software": None})
    try:
        write_bytes(path, picture.getvalue())
    except OSError as error:
        raise ConfigError(f"reward curve {path} cannot be written: {error.strerror or error}") from None
