"""What an installation of the site is configured with."""

from __future__ import annotations

from dataclasses import dataclass, field

DATABASE_VARIABLE = "FOOLRATE_DATABASE"  # the URL, where no --database is given


@dataclass(frozen=True)
class Settings:
    """Values that `study serve` and the tests choose; none of them changes a result."""

    database_url: str
    secret: bytes = field(repr=False)  # tracebacks print the values of what they pass through
    https: bool = False  # cookies are marked Secure, HSTS is sent
    proxies: int = 0  # reverse proxies in front whose X-Forwarded headers are believed
    limiter_storage: str = "shared://"  # among the workers of this host
    look_limit: str = "120 per minute"  # looks at a study's link from one address
    entry_limit: str = "30 per 5 minutes"  # consents from one address: the seats of a laboratory
    limits: bool = True
    open_metrics: bool = False  # /metrics for every address, not only the loopback's
    cache_bytes: int = 512 * 2**20  # stimuli kept in each worker's memory
    pool_size: int = 8
