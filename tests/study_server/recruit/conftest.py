"""A laboratory whose study is on Prolific's fake."""

from __future__ import annotations

import pytest
from fake_prolific import FakeProlific
from panel_raters import PANEL, Laboratory
from small_study import MakeStudy

from study_server.storage.database import Database


@pytest.fixture
def laboratory(sqlite: Database, make_study: MakeStudy) -> Laboratory:
    """Return a study that is open here and unknown to the panel."""
    make_study(sqlite, PANEL)
    return Laboratory(sqlite, FakeProlific(), [])
