"""What a piston can do.

PettingZoo adds ``action - 1`` (discrete) or ``action`` (continuous), times 4 px, to a piston's height: its y on the
screen, which grows downwards, falls by as much. So 2, or 1.0, raises a piston.
"""

from __future__ import annotations

from typing import Literal

from envs.actions import ContinuousActions, DiscreteActions
from envs.base import ActionSpace

ActionMode = Literal["discrete", "continuous"]

_STEP = 4  # px that a full move is worth
_NAME_THRESHOLD = 0.33  # continuous values up to this far from 0 are called "stay"


def piston_actions(mode: ActionMode, *, letters: bool = False) -> ActionSpace:
    """The action space of one piston; with `letters`, discrete moves are offered as ``d``, ``s`` and ``u``."""
    if mode == "discrete":
        meanings = {
            "retract_down": f"lower your piston by {_STEP} px",
            "stay": "hold your piston where it is",
            "push_up": f"raise your piston by {_STEP} px",
        }
        return DiscreteActions(
            {"retract_down": 0, "stay": 1, "push_up": 2},
            meanings,
            neutral="stay",
            letters={"retract_down": "d", "stay": "s", "push_up": "u"} if letters else None,
        )
    meanings = {
        "retract_down": f"lower your piston by {_STEP} px (-0.5: by {_STEP / 2:g} px)",
        "stay": "hold your piston where it is",
        "push_up": f"raise your piston by {_STEP} px (0.5: by {_STEP / 2:g} px)",
    }
    return ContinuousActions(
        ("retract_down", -1.0), ("stay", 0.0), ("push_up", 1.0), meanings, threshold=_NAME_THRESHOLD
    )
