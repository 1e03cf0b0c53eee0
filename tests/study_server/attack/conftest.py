"""One served installation on each database, for all attacks of a test process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from attackers import Installation, serving

from benchmarks.support.postgres_cluster import new_database

KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder: each has a real server."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session", params=KINDS)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, images: Path
) -> Iterator[Installation]:
    """Yield an installation with its rate limits on; it believes one proxy's headers."""
    folder = tmp_path_factory.mktemp("attacked")
    if request.param == "sqlite":
        url = f"sqlite:///{folder}/study.sqlite3"
    else:
        url = new_database(request.getfixturevalue("postgres"), "attacked")
    with serving(url, images, folder / "log", "--proxies", "1") as installation:
        yield installation


@pytest.fixture(scope="session")
def sqlite_site(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Iterator[Installation]:
    """Yield an installation on SQLite, for attacks in which the database has no part."""
    folder = tmp_path_factory.mktemp("attacked-sqlite")
    url = f"sqlite:///{folder}/study.sqlite3"
    with serving(url, images, folder / "log", "--proxies", "1") as installation:
        yield installation
