"""The columns of the tables, each defined once: for the terminal, the page, LaTeX and the JSON.

A column names a field of an entry of the JSON and how it is written; the medium only changes the
numerals and the case of the head. So a number cannot have two names, or two roundings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from analysis.numerals import TERMINAL, Numerals

Kind = Literal[
    "text", "count", "of", "number", "percent", "points", "ratio", "interval", "point_interval",
    "span", "bounds", "ratios", "ranks", "p_value", "permutation", "counts",
]  # fmt: skip
ENDS = ("interval", "point_interval", "span", "bounds", "ratios")  # two numbers, low and high
Medium = Literal["terminal", "page", "paper"]
EVERYWHERE: tuple[Medium, ...] = ("terminal", "page", "paper")


@dataclass(frozen=True)
class Column:
    """One column: its head in the middle of a sentence, the field it shows and how.

    ``field`` leads into the entry by dots, "" is the entry itself; ``words`` may hold {rate},
    {level}, {picked}, {around}, {adjusted} and {margin}, which the protocol and the settings fill
    in. A cell of kind "of" is ``fooled/trials``, one of kind "permutation" a p-value that says
    whether it is exact, one of kind "ranks" what `ranks_text` writes, one of kind "counts" several
    in their order. ``media`` says where the column is shown.
    """

    words: str
    field: str
    kind: Kind
    digits: int = 1
    media: tuple[Medium, ...] = EVERYWHERE

    def head(self, medium: Medium, terms: Mapping[str, str]) -> str:
        """Return the head: a page begins it with a capital, a terminal's says the unit."""
        text = self.words.format(**terms)
        if medium == "terminal":
            units: dict[str, str] = {"percent": " %", "points": " (points)"}
            return text.replace("’", "'") + units.get(self.kind, "")
        return text if text.split(",")[0] in ("p", "d′") else text[:1].upper() + text[1:]

    def shown(self, entry: Any, numerals: Numerals) -> str:
        """Return an entry's cell as text."""
        found = field_of(entry, self.field)
        if self.kind in ENDS:
            ends = (field_of(found, name) for name in ("low", "high"))
            return str(getattr(numerals, self.kind)(*ends, self.digits))
        if self.kind == "of":
            return f"{field_of(entry, 'fooled')}/{field_of(entry, self.field)}"
        if self.kind == "text":
            return found or numerals.none
        if self.kind == "counts":
            return " / ".join(map(numerals.count, found))
        if self.kind == "ranks":
            return ranks_text(found)
        if self.kind == "permutation":
            return numerals.p_value(found) + (" exact" if field_of(entry, "exact") else "")
        if self.kind in ("count", "p_value"):
            return str(getattr(numerals, self.kind)(found))
        return str(getattr(numerals, self.kind)(found, self.digits))

    def value(self, entry: Any) -> float | None:
        """Return what a page sorts the column by: the number, or an interval's lower end."""
        found = field_of(entry, self.field)
        if self.kind in ("text", "counts"):
            return None
        if self.kind == "ranks":
            return float(field_of(found, "rank_low"))
        number: float | None = field_of(found, "low") if self.kind in ENDS else found
        return number


def field_of(entry: Any, path: str) -> Any:
    """Return what a dotted path leads to in mappings or objects; "" is the entry itself.

    >>> field_of({"d_prime": {"value": 0.4}}, "d_prime.value")
    0.4
    """
    for name in path.split(".") if path else ():
        if entry is None:
            return None
        entry = entry[name] if isinstance(entry, Mapping) else getattr(entry, name)
    return entry


def ranks_text(entry: Any) -> str:
    """Return the ranks that are left open to a model, ``1`` or ``1 to 3``."""
    low, high = field_of(entry, "rank_low"), field_of(entry, "rank_high")
    return str(low) if low == high else f"{low} to {high}"


def of_medium(columns: Sequence[Column], medium: Medium) -> list[Column]:
    """Return the columns that a medium shows."""
    return [column for column in columns if medium in column.media]


def terminal_table(
    columns: Sequence[Column], entries: Sequence[Any], terms: Mapping[str, str]
) -> tuple[list[str], list[list[str]]]:
    """Return heads and cells as the terminal has them."""
    kept = of_medium(columns, "terminal")
    heads = [column.head("terminal", terms) for column in kept]
    return heads, [[column.shown(entry, TERMINAL) for column in kept] for entry in entries]


PAGE_ONLY: tuple[Medium, ...] = ("page",)
NO_PAPER: tuple[Medium, ...] = ("terminal", "page")
TYPESET: tuple[Medium, ...] = ("page", "paper")
ON_SCREEN: tuple[Medium, ...] = ("terminal",)
LEVEL = "{level} interval"

RATES = (
    Column("{rate}", "rate", "percent"),
    Column(LEVEL, "", "interval"),
    Column("{picked}/trials", "trials", "of", media=ON_SCREEN),
    Column("skipped", "skipped", "count", media=ON_SCREEN),
    Column("trials", "trials", "count", media=TYPESET),
    Column("raters", "raters", "count"),
    Column("images", "items", "count"),
    Column("effective n", "n_eff", "number", 0),
    Column("design effect", "deff", "number"),
    Column("d′", "d_prime.value", "number", 2, TYPESET),
    Column("p, {around}", "p_chance", "p_value", media=PAGE_ONLY),
    Column("{adjusted}", "p_adjusted", "p_value", media=TYPESET),
    Column("p, equivalence", "p_equivalence", "p_value", media=TYPESET),
)
ERRORS = (
    Column("error on fakes", "error_on_fakes.value", "percent"),
    Column(LEVEL, "error_on_fakes", "interval", media=ON_SCREEN),
    Column("error on reals", "error_on_reals.value", "percent"),
    Column(LEVEL, "error_on_reals", "interval", media=ON_SCREEN),
    Column("human error", "human_error.value", "percent"),
    Column(LEVEL, "human_error", "interval"),
    Column("from real photos, points", "above_real.value", "points", media=PAGE_ONLY),
    Column(LEVEL, "above_real", "point_interval", media=PAGE_ONLY),
    Column("d′", "d_prime.value", "number", 2),
    Column(LEVEL, "d_prime", "span", 2),
    Column("criterion", "criterion.value", "number", 2),
    Column(LEVEL, "criterion", "span", 2),
)
PICKED = (
    Column("picked over the photo", "share", "percent"),
    Column(LEVEL, "", "interval"),
    Column("picked", "picked", "count"),
    Column("photo", "photo", "count"),
    Column("neither", "neither", "count"),
    Column("skipped", "skipped", "count", media=ON_SCREEN),
    Column("raters", "raters", "count"),
    Column("images", "items", "count"),
)
MEANS = (
    Column("mean score", "mean", "number", 2),
    Column(LEVEL, "", "span", 2),
    Column("from real photos", "above_real.value", "number", 2),
    Column(LEVEL, "above_real", "span", 2),
    Column("answers, from the first step", "counts", "counts"),
    Column("skipped", "skipped", "count", media=ON_SCREEN),
    Column("raters", "raters", "count"),
    Column("images", "items", "count"),
)
SHARES = (
    Column("share", "share", "percent"),
    Column(LEVEL, "", "interval"),
    Column("from real photos", "above_real.value", "points", media=ON_SCREEN),
    Column("from real photos, points", "above_real.value", "points", media=TYPESET),
    Column(LEVEL, "above_real", "point_interval"),
    Column("chosen", "chosen", "count"),
    Column("trials", "trials", "count"),
    Column("skipped", "skipped", "count", media=ON_SCREEN),
    Column("raters", "raters", "count"),
    Column("images", "items", "count"),
)
DIFFERENCES = (
    Column("difference", "difference", "points"),
    Column(LEVEL, "", "point_interval"),
    Column("p", "p", "p_value"),
    Column("{adjusted}", "p_adjusted", "p_value"),
    Column("p, equivalence", "p_equivalent", "p_value", media=ON_SCREEN),
    Column("p, non-inferiority", "p_noninferior", "p_value", media=ON_SCREEN),
    Column("shared raters", "shared_raters", "count", media=NO_PAPER),
    Column("shared images", "shared_items", "count", media=NO_PAPER),
)
TESTS = (
    Column("p", "p", "p_value"),
    Column("{adjusted}", "p_adjusted", "p_value"),
    Column("TOST ±{margin}", "p_equivalent", "p_value"),
    Column("verdict", "said", "text"),
)
AGAINST_HALF = (Column("{rate}", "rate", "percent"), *TESTS)
AGAINST_REAL = (
    Column("difference", "difference.value", "points"),
    Column(LEVEL, "difference", "point_interval"),
    *TESTS,
)
ODDS_RATIOS = (
    Column("value", "odds_ratio", "ratio", 2),
    Column(LEVEL, "", "ratios", 2),
    Column("p", "p", "p_value"),
)
RANKED = (
    Column("score", "score", "number", 2),
    Column(LEVEL, "", "bounds", 2),
    Column("rank", "", "ranks"),
    Column("win share", "win_share.value", "percent", media=TYPESET),
    Column(LEVEL, "win_share", "interval", media=TYPESET),
    Column("Elo", "elo", "number", 0, NO_PAPER),
    Column("wins", "wins", "count"),
    Column("losses", "losses", "count"),
    Column("ties", "ties", "count"),
)
PERMUTED = Column("p perm., these images", "p_permutation", "p_value", media=ON_SCREEN)
EXCLUSIONS = (
    Column("with exclusions", "with_exclusions.value", "percent"),
    Column(LEVEL, "with_exclusions", "interval"),
    Column("without", "without_exclusions.value", "percent"),
    Column(LEVEL, "without_exclusions", "interval"),
)
AGREEMENT = (
    Column("Krippendorff’s α", "alpha", "number", 2),
    Column("split-half reliability", "split_half", "number", 2),
    Column("variance of raters", "variance_shares.rater", "percent", media=ON_SCREEN),
    Column("of images", "variance_shares.item", "percent", media=ON_SCREEN),
)
SIDE = (
    Column("answers “left”", "left.value", "percent", media=TYPESET),
    Column(LEVEL, "left", "interval", media=TYPESET),
)
ITEMS = (
    Column("shrunken", "shrunk", "percent"),
    Column(LEVEL, "", "interval"),
    Column("{picked}/trials", "judgments", "of"),
    Column("raw", "rate", "percent"),
)
OVER_MODELS = (
    Column("models", "n", "count"),
    Column("Spearman’s ρ", "value", "number", 2),
    Column(LEVEL, "", "span", 2),
    Column("Kendall’s τ", "kendall", "number", 2),
    Column("p", "p", "permutation"),
)
OVER_IMAGES = (
    Column("images", "n", "count"),
    Column("Spearman’s ρ", "value", "number", 2),
    Column(LEVEL, "", "span", 2),
    Column("reliability", "reliability", "number", 2),
    Column("disattenuated", "disattenuated", "number", 2),
)
PAIR_SCORES = (
    Column("pairs", "pairs", "count"),
    Column("2AFC score", "score", "percent"),
    Column("ceiling", "ceiling", "percent"),
)
