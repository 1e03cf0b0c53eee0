"""Each part in a fresh environment of its own: it installs, and does its main job."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.install.environments import PARTS, index_answers, install
from benchmarks.install.jobs import JOBS

MOST = {"site": 300e6, "analysis": 500e6}  # bytes; docs/install.md says what was seen
FOREIGN = {"site": ("torch", "pandas", "scipy"), "analysis": ("torch", "flask", "sqlalchemy")}

LIST = (
    "from importlib.metadata import distributions; print(*(each.name for each in distributions()))"
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> None:
    if not os.environ.get("FOOLRATE_REQUIRE_LAYERS"):
        pytest.skip("two installations, minutes, are outside the test environment: .ci/run")
    if not index_answers(tmp_path_factory.mktemp("asked")):
        pytest.skip("an index of packages is outside the test environment: nothing to install from")


@pytest.mark.integration
@pytest.mark.parametrize("part", list(PARTS))
def test_a_part_installs_by_itself_and_does_its_job(
    part: str, tmp_path: Path, index: None, capsys: pytest.CaptureFixture[str]
) -> None:
    environment, step = install(tmp_path / part, part, quick=True)
    packages = environment.run(environment.python, "-c", LIST).lower().split()
    assert "numpy" in packages
    assert not set(FOREIGN[part]) & set(packages)
    steps = JOBS[part](environment, tmp_path)
    with capsys.disabled():
        print("", *(each.line() for each in (step, *steps)), sep="\n")
    assert step.bytes is not None
    assert step.bytes < MOST[part]
    assert list((tmp_path / {"site": "export", "analysis": "report"}[part]).iterdir())
