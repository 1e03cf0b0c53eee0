"""Which rater sees which images, under which condition, on which side. Pure: seed in, plan out.

* Items: each rater takes the items shown least so far (ties at random), so counts differ by at
  most one at any time, and are equal at the end where the numbers divide: 50 raters x 50 of 100
  items is 25 each.
* Conditions (within raters): each rater's trials and each item's showings are cut into groups as
  large as the number of conditions, and no group holds a condition twice. That is a proper edge
  colouring of a bipartite graph, which always exists (König) and is found by alternating paths.
* Sides: trials are paired within a rater and within an item, and partners get opposite sides. Two
  pairings together only make paths and even cycles, so this always works out: left and right differ
  by at most one for every rater, item, and item within a condition. Where conditions are pairs of
  models, an item's sides over several pairs mean nothing: there left and right differ by at most
  one for every pair, in place of every item.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

T = TypeVar("T")
LEFT, RIGHT = "left", "right"


@dataclass(frozen=True)
class DesignCell:
    """One trial to be: a rater (by number), an item and a condition, the side once it is drawn."""

    rater: int
    item: str
    condition: str
    kind: str = "main"
    side: str = LEFT


@dataclass(frozen=True)
class BlockPlan:
    """One rater's block: its task, its condition (None within raters) and its trials in order."""

    task: str
    condition: str | None
    trials: tuple[DesignCell, ...]


class Stream:
    """Random numbers from SHA-256 in counter mode: nobody can tell the next from those before."""

    def __init__(self, *key: str) -> None:
        """Start the stream of a key; the same key gives the same numbers on every machine."""
        self._key = "\0".join(key).encode()
        self._counter = 0

    def below(self, bound: int) -> int:
        """Return a uniform whole number from 0 to bound - 1 (of 128 bits: bias below 2⁻⁹⁰)."""
        self._counter += 1
        digest = hashlib.sha256(self._key + self._counter.to_bytes(8, "big")).digest()
        return int.from_bytes(digest[:16], "big") % bound

    def shuffled(self, values: Sequence[T]) -> list[T]:
        """Return the values in random order (Fisher-Yates)."""
        order = list(values)
        for last in range(len(order) - 1, 0, -1):
            other = self.below(last + 1)
            order[last], order[other] = order[other], order[last]
        return order


def plan_blocks(
    *,
    items: Sequence[str],
    practice: Sequence[str],
    catch: Sequence[str],
    mixes: Mapping[str | None, Sequence[str]],
    tasks: Sequence[str],
    raters: int,
    trials: int,
    key: tuple[str, str],
    showings: int = 1,
    pairs: bool = False,
) -> list[BlockPlan]:
    """Return every block of a study, in the order that they are claimed.

    `mixes` says what a rater of each kind of block sees, in equal numbers: between raters one
    condition by its name, within raters all of them by None. There are `raters` blocks for each
    mix and task, taken in turn so that an unfinished study is balanced too. `key` is the study's
    digest and seed: the same key, the same plan. Each item of a block comes up `showings` times,
    never twice as the same part of a mix. With `pairs`, what is mixed are pairs of models, and the
    sides are balanced over all trials of a pair in place of all trials of an item.
    """
    groups: list[list[BlockPlan]] = []
    for task in tasks:
        for label, conditions_shown in mixes.items():
            stream = Stream(*key, task, label or "")
            edges = spread_items(items, raters, trials, stream, showings)
            cells = _main_cells(edges, conditions_shown, stream, pairs=pairs)
            blocks = [
                _block(
                    [cell for cell in cells if cell.rater == rater],
                    _warm_up(rater, practice, conditions_shown, stream),
                    [DesignCell(rater, item, "", "catch") for item in stream.shuffled(catch)],
                    stream,
                )
                for rater in range(raters)
            ]
            groups.append([BlockPlan(task, label, block) for block in blocks])
    stream = Stream(*key, "order of arrival")
    return [plan for rank in zip(*groups, strict=True) for plan in stream.shuffled(rank)]


def _main_cells(
    edges: Sequence[tuple[int, str]], conditions: Sequence[str], stream: Stream, *, pairs: bool
) -> list[DesignCell]:
    shown = colour_equally(edges, len(conditions), stream)
    order = stream.shuffled(conditions)
    cells = [
        DesignCell(rater, item, order[colour])
        for (rater, item), colour in zip(edges, shown, strict=True)
    ]
    return draw_sides(cells, stream, pairs=pairs)


def _block(
    main: list[DesignCell], warm_up: list[DesignCell], checks: list[DesignCell], stream: Stream
) -> tuple[DesignCell, ...]:
    mixed = _mixed(stream.shuffled(main), _sided(checks, stream), stream)
    return tuple(_sided(warm_up, stream) + mixed)


def _warm_up(
    rater: int, practice: Sequence[str], conditions: Sequence[str], stream: Stream
) -> list[DesignCell]:
    return [
        DesignCell(rater, item, conditions[place % len(conditions)], "practice")
        for place, item in enumerate(stream.shuffled(practice))
    ]


def _sided(cells: list[DesignCell], stream: Stream) -> list[DesignCell]:
    # Half of them left, half right; with an odd number, one side at random has one more.
    first = stream.below(2)
    sides = stream.shuffled([(LEFT, RIGHT)[(first + place) % 2] for place in range(len(cells))])
    return [replace(cell, side=side) for cell, side in zip(cells, sides, strict=True)]


def _mixed(main: list[DesignCell], checks: list[DesignCell], stream: Stream) -> list[DesignCell]:
    # One catch trial somewhere in each equal part of the block, so that none come in a bunch.
    mixed = list(main)
    for number, check in reversed(list(enumerate(checks))):
        start = number * len(main) // len(checks)
        end = (number + 1) * len(main) // len(checks)
        mixed.insert(start + stream.below(max(end - start, 1)), check)
    return mixed


def spread_items(
    items: Sequence[str], raters: int, trials: int, stream: Stream, showings: int = 1
) -> list[tuple[int, str]]:
    """Return (rater, item) for every main trial; showings of items differ by at most one.

    A rater who gets an item `showings` times has these trials one after another here. Where
    `showings` divides the number of conditions they fall into one group of `colour_equally`, so
    that their conditions differ.
    """
    shown: Counter[str] = Counter(dict.fromkeys(items, 0))
    edges = []
    for rater in range(raters):
        # Sorting is stable, so items shown equally often stay in random order.
        taken = sorted(stream.shuffled(items), key=lambda item: shown[item])
        taken = taken[: trials // showings]
        shown.update(taken)
        edges += [(rater, item) for item in taken for _ in range(showings)]
    return edges


def colour_equally(edges: Sequence[tuple[int, str]], colours: int, stream: Stream) -> list[int]:
    """Return one colour for each edge: every rater and item has each equally often, up to one.

    Raters and items are cut into groups of at most `colours` edges, then the edges coloured so
    that no group has a colour twice. Over all edges, too, colours are as frequent up to one.
    """
    if colours == 1:
        return [0] * len(edges)
    ends = list(
        zip(
            _groups([("rater", rater) for rater, _ in edges], colours),
            _groups([("item", item) for _, item in edges], colours),
            strict=True,
        )
    )
    used: dict[Hashable, dict[int, int]] = defaultdict(dict)  # group -> colour -> edge
    for edge in stream.shuffled(range(len(edges))):
        _add_edge(edge, ends, used, colours)
    _even_out(ends, used, colours, stream)
    result = [0] * len(edges)
    for by_colour in used.values():
        for colour, edge in by_colour.items():
            result[edge] = colour
    return result


def _groups(vertices: Sequence[Hashable], size: int) -> list[Hashable]:
    seen: Counter[Hashable] = Counter()
    groups: list[Hashable] = []
    for vertex in vertices:
        groups.append((vertex, seen[vertex] // size))
        seen[vertex] += 1
    return groups


def _add_edge(
    edge: int,
    ends: Sequence[tuple[Hashable, Hashable]],
    used: dict[Hashable, dict[int, int]],
    colours: int,
) -> None:
    a, b = ends[edge]
    free_a = next(colour for colour in range(colours) if colour not in used[a])
    free_b = next(colour for colour in range(colours) if colour not in used[b])
    if free_a in used[b]:
        _swap_along_path(b, free_a, free_b, ends, used)
    used[a][free_a] = edge
    used[b][free_a] = edge


def _swap_along_path(
    start: Hashable,
    first: int,
    second: int,
    ends: Sequence[tuple[Hashable, Hashable]],
    used: dict[Hashable, dict[int, int]],
) -> None:
    # In a bipartite graph the path cannot end where `first` is free at the other side, so after the
    # swap `first` is free at both ends.
    path = _path(start, first, second, ends, used)
    for edge, colour in path:
        for end in ends[edge]:
            if used[end].get(colour) == edge:
                del used[end][colour]
    for edge, colour in path:
        for end in ends[edge]:
            used[end][second if colour == first else first] = edge


def _path(
    start: Hashable,
    first: int,
    second: int,
    ends: Sequence[tuple[Hashable, Hashable]],
    used: dict[Hashable, dict[int, int]],
) -> list[tuple[int, int]]:
    """Return (edge, colour) of the path of alternating colours from `start`, `first` first."""
    path = []
    vertex, colour = start, first
    while colour in used[vertex]:
        edge = used[vertex][colour]
        path.append((edge, colour))
        vertex = ends[edge][1] if ends[edge][0] == vertex else ends[edge][0]
        colour = second if colour == first else first
    return path


def _even_out(
    ends: Sequence[tuple[Hashable, Hashable]],
    used: dict[Hashable, dict[int, int]],
    colours: int,
    stream: Stream,
) -> None:
    """Make all colours as frequent, up to one: a trial fewer than colours leaves none out.

    Two colours' edges are paths and cycles; a path that begins and ends with the more frequent one
    has one more of it, so swapping the path's colours moves one edge (de Werra 1971).
    """
    count = Counter(colour for by_colour in used.values() for colour in by_colour)  # both ends
    for colour in range(colours):
        count[colour] //= 2
    while True:
        most = max(range(colours), key=lambda colour: count[colour])
        least = min(range(colours), key=lambda colour: count[colour])
        if count[most] - count[least] < 2:
            return
        starts = [vertex for vertex in used if most in used[vertex] and least not in used[vertex]]
        for start in stream.shuffled(starts):
            if count[most] - count[least] < 2:
                break
            if most not in used[start]:
                continue  # the other end of a path that was swapped
            if len(_path(start, most, least, ends, used)) % 2:
                _swap_along_path(start, most, least, ends, used)
                count[most] -= 1
                count[least] += 1


def draw_sides(
    cells: Sequence[DesignCell], stream: Stream, *, pairs: bool = False
) -> list[DesignCell]:
    """Return the cells with the model's side drawn, balanced within raters and within items.

    With `pairs`, within each condition in place of each item.
    """
    by_rater = _pairs(cells, (lambda c: (c.rater, c.condition), lambda c: c.rater))

    def whole(cell: DesignCell) -> Hashable:
        return cell.condition if pairs else cell.item

    by_item = _pairs(cells, (lambda c: (c.item, c.condition), whole))
    sides: dict[int, int] = {}
    for start in stream.shuffled(range(len(cells))):
        if start in sides:
            continue
        sides[start] = stream.below(2)
        for first, second in ((by_rater, by_item), (by_item, by_rater)):
            _alternate(start, first, second, sides)
    return [replace(cell, side=(LEFT, RIGHT)[sides[index]]) for index, cell in enumerate(cells)]


def _alternate(
    start: int, first: dict[int, int], second: dict[int, int], sides: dict[int, int]
) -> None:
    here, pairing, other = start, first, second
    while here in pairing and pairing[here] not in sides:
        sides[pairing[here]] = 1 - sides[here]
        here = pairing[here]
        pairing, other = other, pairing


def _pairs(
    cells: Sequence[DesignCell], levels: Sequence[Callable[[DesignCell], Hashable]]
) -> dict[int, int]:
    # Pair within the finest level first; what is left over is paired at the next.
    partner: dict[int, int] = {}
    for level in levels:
        waiting: dict[Hashable, int] = {}
        for index, cell in enumerate(cells):
            if index in partner:
                continue
            other = waiting.pop(level(cell), None)
            if other is None:
                waiting[level(cell)] = index
            else:
                partner[index], partner[other] = other, index
    return partner
