"""Requests sent again while the site is busy, as a rater's browser does."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

BUSY = 503
LONGEST = 8.0  # seconds between two tries
PATIENCE = 60.0  # seconds in all


class Patient(httpx.BaseTransport):
    """Sends a request again while the site refuses it as busy, when nothing of it was stored.

    The last refusal is the answer. The pauses are those of static/rater/api.js, without jitter.
    """

    def __init__(
        self, inner: httpx.BaseTransport, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        """Send through `inner`."""
        self._inner, self._sleep = inner, sleep

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer."""
        waited, pause = 0.0, 0.5
        response = self._inner.handle_request(request)
        while response.status_code == BUSY and waited < PATIENCE:
            response.close()
            self._sleep(pause)
            waited, pause = waited + pause, min(LONGEST, 2 * pause)
            response = self._inner.handle_request(request)
        return response

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()
