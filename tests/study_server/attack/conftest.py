"""One served installation on each database, for all attacks of a test process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from attackers import Installation, serving

from benchmarks.support.postgres_cluster import new_database

KINDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder: each has a real server."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def sqlite_site(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Iterator[Installation]:
    """Yield an installation with its rate limits on; it believes one proxy's headers."""
    folder = tmp_path_factory.mktemp("attacked-sqlite")
    with serving(f"sqlite:///{folder}/study.sqlite3", images, folder / "log") as installation:
        yield installation


@pytest.fixture(scope="session")
def postgres_site(
    tmp_path_factory: pytest.TempPathFactory, images: Path, postgres: str
) -> Iterator[Installation]:
    """Yield the like on PostgreSQL."""
    folder = tmp_path_factory.mktemp("attacked-postgres")
    with serving(new_database(postgres, "attacked"), images, folder / "log") as installation:
        yield installation


@pytest.fixture(params=KINDS)
def site(request: pytest.FixtureRequest) -> Installation:
    """Return the installation on each database in turn."""
    installation: Installation = request.getfixturevalue(f"{request.param}_site")
    return installation
