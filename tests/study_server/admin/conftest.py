"""Cheap hashing: the tests log in dozens of times, and argon2 is made to be slow."""

from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher

from study_server.admin import accounts


@pytest.fixture(autouse=True)
def cheap_hashing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hash with argon2id at its smallest cost."""
    monkeypatch.setattr(accounts, "_hasher", PasswordHasher(time_cost=1, memory_cost=64))
    accounts._decoy.cache_clear()
    yield
    accounts._decoy.cache_clear()
