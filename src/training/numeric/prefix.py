"""Layouts: which rows stand in one sequence, and what each of their tokens may see.

A *tree* is a prompt with the actions of every row that has exactly this prompt; a *bin* is a sequence of trees. Each
action sees its prompt and itself, and its positions go on from the prompt's end, so log-probabilities and gradients are
those of the rows by themselves while the prompt is computed once. Packing is the same with one row per tree, padding
with one tree per bin. The last token of an action is seen by nothing and is left away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.numeric.rows import Row
from training.numeric_config import LayoutName

Tree = tuple[int, ...]
Bin = tuple[Tree, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Rows laid out in sequences; axes ``B`` bins, ``L`` places in a bin, ``N`` scored tokens of all rows.

    Attributes:
        input_ids_BL: tokens; padding is 0 at the end of a bin.
        positions_BL: position of each token within its own row.
        visible_BLL: True where a token (first L) sees another; None if each bin is one row, which is plainly causal.
        places_N: place, in the bins put end to end, whose output predicts the token.
        targets_N: the tokens to predict: those that the policy chose.
        rows_N: index of the token's row.
        columns_N: index of the token in its row's action.
    """

    input_ids_BL: NDArray[np.int64]
    positions_BL: NDArray[np.int64]
    visible_BLL: NDArray[np.bool_] | None
    places_N: NDArray[np.int64]
    targets_N: NDArray[np.int64]
    rows_N: NDArray[np.int64]
    columns_N: NDArray[np.int64]


def length(rows: Sequence[Row], tree: Tree) -> int:
    """Tokens of a tree in a forward pass."""
    return len(rows[tree[0]].prompt_ids) + sum(len(rows[index].action_ids) - 1 for index in tree)


def bins(rows: Sequence[Row], indices: Sequence[int], layout: LayoutName, budget: int, balance: int) -> tuple[Bin, ...]:
    """Put rows into bins of at most `budget` tokens, longest first; a row that is longer has a bin of its own.

    Args:
        rows: all rows.
        indices: those to lay out.
        layout: ``padded`` (a bin per row), ``packed`` (rows side by side), ``shared`` (a bin per prompt).
        budget: tokens of a bin.
        balance: length at which attention to all of a sequence costs as much as the rest of a layer. The prompt is
            computed again rather than letting a bin grow beyond the cheapest length, see `_cheapest`.
    """
    if layout == "shared":
        return _longest_first(rows, [(tree,) for tree in _trees(rows, indices, budget, balance)])
    alone = _longest_first(rows, [((index,),) for index in indices])
    return alone if layout == "padded" else _packed(rows, alone, budget)


def lay_out(rows: Sequence[Row], chosen: Sequence[Bin]) -> Layout:
    """The arrays of a forward pass over `chosen` bins."""
    lengths = [sum(length(rows, tree) for tree in one) for one in chosen]
    width = max(lengths)
    input_ids_BL = np.zeros((len(chosen), width), np.int64)
    positions_BL = np.zeros((len(chosen), width), np.int64)
    tree_BL = np.full((len(chosen), width), -1, np.int64)
    leaf_BL = np.full((len(chosen), width), -1, np.int64)
    scored: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []
    for b, one in enumerate(chosen):
        place = 0
        for t, tree in enumerate(one):
            prompt_ids = rows[tree[0]].prompt_ids
            stem = slice(place, place + len(prompt_ids))
            input_ids_BL[b, stem], positions_BL[b, stem] = prompt_ids, np.arange(len(prompt_ids))
            tree_BL[b, stem] = t
            place = stem.stop
            for index in tree:
                row = rows[index]
                branch = slice(place, place + len(row.action_ids) - 1)
                input_ids_BL[b, branch] = row.action_ids[:-1]
                positions_BL[b, branch] = len(prompt_ids) + np.arange(len(row.action_ids) - 1)
                tree_BL[b, branch], leaf_BL[b, branch] = t, index
                columns = np.flatnonzero(row.mask)
                before = np.where(columns == 0, stem.stop - 1, branch.start + columns - 1)
                scored.append(
                    (b * width + before, row.action_ids[columns].astype(np.int64), _full(columns, index), columns)
                )
                place = branch.stop
        positions_BL[b, place:] = np.arange(place, width)
    plain = all(len(one) == 1 and len(one[0]) == 1 for one in chosen)
    places_N, targets_N, rows_N, columns_N = (np.concatenate(part) for part in zip(*scored, strict=True))
    return Layout(
        input_ids_BL,
        positions_BL,
        None if plain else _visible(tree_BL, leaf_BL),
        places_N,
        targets_N,
        rows_N,
        columns_N,
    )


def _full(columns: NDArray[np.int64], index: int) -> NDArray[np.int64]:
    return np.full(len(columns), index, np.int64)


def _visible(tree_BL: NDArray[np.int64], leaf_BL: NDArray[np.int64]) -> NDArray[np.bool_]:
    """A token sees what stands before it in its own tree: the prompt (leaf −1) and its own action."""
    width = tree_BL.shape[1]
    same_tree = tree_BL[:, :, None] == tree_BL[:, None, :]
    same_leaf = (leaf_BL[:, None, :] == -1) | (leaf_BL[:, :, None] == leaf_BL[:, None, :])
    return same_tree & same_leaf & np.tri(width, dtype=np.bool_)


def _trees(rows: Sequence[Row], indices: Sequence[int], budget: int, balance: int) -> list[Tree]:
    """Rows by prompt, in order; a prompt whose actions do not fit in one bin is computed once per bin."""
    by_prompt: dict[bytes, list[int]] = {}
    for index in indices:
        by_prompt.setdefault(rows[index].prompt_ids.tobytes(), []).append(index)
    trees: list[Tree] = []
    for members in by_prompt.values():
        most = min(budget, _cheapest(len(rows[members[0]].prompt_ids), balance))
        tree: Tree = ()
        for index in members:
            if tree and length(rows, (*tree, index)) > most:
                trees.append(tree)
                tree = ()
            tree = (*tree, index)
        trees.append(tree)
    return trees


def _cheapest(prompt: int, balance: int) -> int:
    """The length of a bin at which a token of an action costs least.

    A bin of length L costs L·balance + L² (every place is compared with every other) and holds L − P tokens of actions;
    the cost per token is least at L = P + √(P·(P + balance)).
    """
    return prompt + round(math.sqrt(prompt * (prompt + balance)))


def _longest_first(rows: Sequence[Row], chosen: Sequence[Bin]) -> tuple[Bin, ...]:
    return tuple(sorted(chosen, key=lambda one: -sum(length(rows, tree) for tree in one)))


def _packed(rows: Sequence[Row], alone: Sequence[Bin], budget: int) -> tuple[Bin, ...]:
    """First fit, longest first."""
    packed: list[list[Tree]] = []
    room: list[int] = []
    for ((tree),) in alone:
        size = length(rows, tree)
        fits = next((i for i, free in enumerate(room) if free >= size), None)
        if fits is None:
            packed.append([tree])
            room.append(budget - size)
        else:
            packed[fits].append(tree)
            room[fits] -= size
    return tuple(tuple(one) for one in packed)
