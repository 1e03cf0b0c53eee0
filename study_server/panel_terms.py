"""What a study asks of its recruitment panel. A format module (no flask, no sqlalchemy)."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from study_server.words import Section

Money = Annotated[float, Field(gt=0, le=10_000)]  # in the panel's currency: 2.50


class Recruit(Section):
    """What the panel is asked for: `study recruit` sends it."""

    reward: Money | None = None  # of a rater who finishes
    places: int | None = Field(default=None, ge=1, le=100_000)  # None: one for each block
    description: str | None = Field(default=None, min_length=1)  # what the panel's members read
    devices: tuple[Literal["desktop", "tablet", "mobile"], ...] = ("desktop", "tablet", "mobile")
    maximum_minutes: int | None = Field(default=None, ge=1)  # None: the panel decides
    finished: Literal["review", "approve"] = "review"  # "approve": paid at once, by the panel
    screen_out_reward: Money | None = None  # None: raters who cannot take part are asked to return
    labels: tuple[str, ...] = ()
    filter_set: str | None = None  # id of a saved set of filters
    sona_site: str | None = None  # https://….sona-systems.com
    sona_experiment: int | None = Field(default=None, ge=1)

    @field_validator("reward", "screen_out_reward")
    @classmethod
    def _whole_cents(cls, amount: float | None) -> float | None:
        if amount is not None and abs(amount * 100 - round(amount * 100)) > 1e-6:
            raise ValueError(f"{amount!r} is no amount of money, expected such as 2.50")
        return amount

    @model_validator(mode="after")
    def _screening_out_pays_less(self) -> Recruit:
        if self.screen_out_reward and self.screen_out_reward >= (self.reward or 0):
            raise ValueError(
                f"screen_out_reward is {self.screen_out_reward:.2f},"
                f" expected less than the reward ({self.reward or 0:.2f})"
            )
        return self

    @field_validator("sona_site")
    @classmethod
    def _is_a_site(cls, url: str | None) -> str | None:
        if url is not None and not is_web_address(url):
            raise ValueError(f"{url!r} is no site, expected https://….sona-systems.com")
        return url


def is_web_address(url: str) -> bool:
    """Return whether a browser can be sent there safely: TLS, or a server on this machine."""
    if not url.isprintable() or any(mark in url for mark in " \\<>\"'"):
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    local = host in ("localhost", "127.0.0.1", "::1")
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and local))
