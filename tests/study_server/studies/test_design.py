"""Balance holds for all designs, not only for the ones we thought of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from study_server.studies.design import (
    BlockPlan,
    DesignCell,
    Stream,
    colour_equally,
    plan_blocks,
    spread_items,
)


def plan(
    raters: int,
    trials: int,
    items: int,
    conditions: int = 1,
    *,
    within: bool = False,
    **more: object,
) -> list[BlockPlan]:
    names = [f"model-{number}" for number in range(conditions)]
    options: dict[str, Any] = {
        "items": [f"item-{number}" for number in range(items)],
        "practice": ["p0", "p1", "p2"],
        "catch": ["c0", "c1"],
        "mixes": {None: names} if within else {name: [name] for name in names},
        "tasks": ["task2"],
        "raters": raters,
        "trials": trials,
        "key": ("digest", "seed"),
    }
    return plan_blocks(**(options | more))


def main_cells(plans: list[BlockPlan]) -> list[tuple[int, DesignCell]]:
    return [
        (number, cell)
        for number, block in enumerate(plans)
        for cell in block.trials
        if cell.kind == "main"
    ]


def spread(counts: Counter) -> int:
    return max(counts.values()) - min(counts.values())


def imbalance(cells: list, level: Callable[[int, DesignCell], object]) -> int:
    sides: Counter = Counter()
    for number, cell in cells:
        sides[level(number, cell)] += 1 if cell.side == "left" else -1
    return max(abs(count) for count in sides.values())


def test_the_papers_design_gives_every_item_exactly_25_judgments() -> None:
    # SR3's study: 50 subjects per model, each shown 50 of the 100 test images (section 4.3).
    plans = plan(raters=50, trials=50, items=100, conditions=3)
    assert len(plans) == 150
    shown = Counter((cell.item, cell.condition) for _, cell in main_cells(plans))
    assert set(shown.values()) == {25}
    assert len(shown) == 300


designs = st.tuples(
    st.integers(1, 12), st.integers(1, 15), st.integers(0, 10), st.integers(1, 4), st.booleans()
)


@settings(max_examples=80, deadline=None)
@given(designs)
def test_items_conditions_and_sides_are_balanced_in_every_design(
    design: tuple[int, int, int, int, bool],
) -> None:
    raters, trials, spare, conditions, within = design
    plans = plan(raters, trials, trials + spare, conditions, within=within)
    cells = main_cells(plans)
    for condition in {cell.condition for _, cell in cells} if not within else {None}:
        shown = Counter(
            {f"item-{number}": 0 for number in range(trials + spare)}
            if not within or condition is None
            else {}
        )
        shown.update(c.item for _, c in cells if condition in (None, c.condition))
        assert spread(shown) <= 1
    if within:
        per_rater = Counter((number, cell.condition) for number, cell in cells)
        every = {(n, f"model-{c}"): 0 for n in range(raters) for c in range(conditions)}
        per_rater.update(every)
        for number in range(raters):
            assert spread(Counter({k: v for k, v in per_rater.items() if k[0] == number})) <= 1
        for item in {cell.item for _, cell in cells}:
            counts = Counter({f"model-{c}": 0 for c in range(conditions)})
            counts.update(cell.condition for _, cell in cells if cell.item == item)
            assert spread(counts) <= 1
    assert imbalance(cells, lambda number, _: number) <= 1
    assert imbalance(cells, lambda _, cell: (cell.item, cell.condition)) <= 1
    if within:
        assert imbalance(cells, lambda _, cell: cell.item) <= 1


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 15), st.integers(0, 2**32))
def test_no_group_holds_a_condition_twice_and_none_is_left_out(colours: int, seed: int) -> None:
    """15 pairs of six models are compared equally often, though a rater sees six of them."""
    stream = Stream("test", str(seed))
    edges = spread_items([f"i{n}" for n in range(9)], 7, 6, stream)
    shown = colour_equally(edges, colours, stream)
    for end in (0, 1):
        for vertex in {edge[end] for edge in edges}:
            counts = Counter(dict.fromkeys(range(colours), 0))
            counts.update(c for edge, c in zip(edges, shown, strict=True) if edge[end] == vertex)
            assert spread(counts) <= 1
    assert len(set(shown)) == colours
    assert spread(Counter(shown)) <= 1


def test_a_source_image_is_shown_at_most_once_in_a_block() -> None:
    for block in plan(raters=8, trials=12, items=13, conditions=3, within=True):
        items = [cell.item for cell in block.trials]
        assert len(items) == len(set(items)) == 12 + 3 + 2


def test_the_same_key_gives_the_same_plan_and_another_seed_another() -> None:
    first = plan(raters=6, trials=5, items=10)
    assert plan(raters=6, trials=5, items=10) == first
    assert plan(raters=6, trials=5, items=10, key=("digest", "other")) != first


def test_an_unfinished_study_is_balanced_over_conditions_too() -> None:
    plans = plan(raters=10, trials=4, items=8, conditions=3)
    for rank in range(10):
        arrived = Counter(block.condition for block in plans[3 * rank : 3 * rank + 3])
        assert set(arrived.values()) == {1}


def test_catch_trials_come_apart_and_never_among_the_practice() -> None:
    for block in plan(raters=20, trials=12, items=24):
        kinds = [cell.kind for cell in block.trials]
        assert kinds[:3] == ["practice"] * 3
        first, second = (place - 3 for place, kind in enumerate(kinds) if kind == "catch")
        assert first < 7 <= second


def test_random_numbers_are_uniform() -> None:
    # Pearson's chi-squared with 9 degrees of freedom: 27.9 is its 99.9 % point (any table).
    stream = Stream("uniform")
    counts = Counter(stream.below(10) for _ in range(10_000))
    assert sum((counts[value] - 1000) ** 2 / 1000 for value in range(10)) < 27.9


@settings(max_examples=25, deadline=None)
@given(
    models=st.integers(2, 5),
    raters=st.integers(1, 9),
    blocks=st.integers(1, 4),
    items=st.integers(4, 12),
    data=st.data(),
)
def test_an_item_that_comes_up_again_does_so_with_another_pair(
    models: int, raters: int, blocks: int, items: int, data: st.DataObject
) -> None:
    pairs = models * (models - 1) // 2
    showings = data.draw(st.sampled_from([k for k in range(1, pairs + 1) if pairs % k == 0]))
    trials = showings * min(blocks, items)
    plans = plan(raters, trials, items, pairs, within=True, showings=showings, pairs=True)
    cells = main_cells(plans)
    assert len(cells) == raters * trials
    shown = Counter((number, cell.item) for number, cell in cells)
    assert set(shown.values()) == {showings}
    assert len({(number, cell.item, cell.condition) for number, cell in cells}) == len(cells)
    of_rater = Counter((number, cell.condition) for number, cell in cells)
    assert spread(Counter({(n, f"model-{p}"): of_rater[n, f"model-{p}"]
                           for n in range(raters) for p in range(pairs)})) <= 1  # fmt: skip
    assert imbalance(cells, lambda number, _cell: number) <= 1
    assert imbalance(cells, lambda _number, cell: (cell.item, cell.condition)) <= 1
    assert imbalance(cells, lambda _number, cell: cell.condition) <= 1
