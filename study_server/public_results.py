"""What a study shows to everybody on its results page. A format module (no flask, no sqlalchemy).

Single raters must not be read off the page. Whoever looks at a mean before and after a rater
finishes knows that rater's own mean, so the page changes only after a batch of raters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import Field

from study_server.words import Section, Words, in_language


class PublicResults(Section):
    """Whether there is a public page with results, when, and what it calls the conditions."""

    public: Literal["never", "closed", "live"] = "never"
    batch: int = Field(default=10, ge=5, le=10_000)  # finished raters between two changes
    names: dict[str, Words] = Field(default_factory=dict)  # condition -> what the page calls it

    def name(self, condition: str, language: str) -> str:
        """Return what the page calls a condition."""
        return in_language(self.names.get(condition, condition), language)

    def texts(self) -> Iterator[tuple[str, Words]]:
        """Yield (where, text) of every text that the page shows."""
        yield from ((f"results.names.{name}", words) for name, words in self.names.items())

    def check(self, conditions: Iterable[str], languages: Iterable[str]) -> None:
        """Raise ValueError for a name of no condition, and for two conditions named alike."""
        known = list(conditions)
        strangers = [name for name in self.names if name not in known]
        if strangers:
            raise ValueError(
                f"results.names: {strangers[0]!r} is no condition, expected one of"
                f" {', '.join(known)}"
            )
        for language in languages:
            shown = [self.name(name, language) for name in known]
            twice = [each for each in shown if shown.count(each) > 1]
            if twice:
                raise ValueError(f"results.names: two conditions are called {twice[0]!r}")
