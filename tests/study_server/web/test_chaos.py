"""Answers through lost acknowledgements, repeats, reordering, second tabs and kill -9.

`manage.py bench chaos` does the same with 10,000 answers.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import delete

from benchmarks.study.chaos import Size, endure, faults, prepare
from study_server.storage.database import Database
from study_server.storage.models import Judgment

SMALL = Size(raters=20, trials=20, items=40, kills=3)  # two workers, then everything
POSTGRES = pytest.mark.postgres


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.parametrize(
    ("database_url", "trial", "view"),
    [
        ("sqlite", "real-or-model", "whole"),
        ("sqlite", "single", "zoom"),
        pytest.param("postgresql", "real-or-model", "whole", marks=POSTGRES),
        pytest.param("postgresql", "preference", "zoom", marks=POSTGRES),
    ],
    indirect=["database_url"],
)
def test_nothing_is_lost_or_doubled_and_balance_is_kept(
    database: Database, tmp_path: Path, trial: str, view: str
) -> None:
    tokens = prepare(database, tmp_path, trial, SMALL, view)
    url = database.url.render_as_string(hide_password=False)
    acknowledged = endure(url, tokens, trial, SMALL)
    assert len(acknowledged) == 400
    assert {glances is None for glances in acknowledged.values()} == {view == "whole"}
    assert faults(database, acknowledged, trial, SMALL, tmp_path / "export") == []
    with database.write() as connection:  # one is lost after all
        connection.execute(delete(Judgment).where(Judgment.key == min(acknowledged)))
    if view == "zoom":  # and one rater looked at something else
        acknowledged[max(acknowledged)] = [["fit", 0.0, 1.0, 0, 0, 4, 3]]
    found = faults(database, acknowledged, trial, SMALL, tmp_path / "export without it")
    assert found[:2] == [
        "399 answers stored, expected 400",
        "1 acknowledged answers are lost",
    ]
    if view == "zoom":
        assert "1 answers are stored with other viewports than were sent" in found
        assert "the viewports of 1 answers are lost" in found
    assert len(found) > 3  # an item is judged less often, and the hash chain is broken
