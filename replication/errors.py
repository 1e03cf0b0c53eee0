"""The error of this package."""

from __future__ import annotations

from analysis.errors import AnalysisError


class ReplicationError(AnalysisError):
    """Something the user can put right, in one line: what, the value found, the value expected."""
