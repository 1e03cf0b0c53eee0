"""Errors of this package.

AnalysisError               anything a user can put right; the command line prints it as one line
├── TableError              a file that is missing or not what it should be
├── DesignError             the data cannot answer the question asked (one rater, say)
└── ConvergenceError        an iterative fit that did not arrive; no number of it is given
"""


class AnalysisError(Exception):
    """Something the user can put right: the message names the file and the value."""


class TableError(AnalysisError):
    """A file is missing, malformed, or holds a value that is not allowed."""


class DesignError(AnalysisError):
    """The data cannot answer the question; the message names what is missing."""


class ConvergenceError(AnalysisError):
    """A fit did not converge; no estimate is returned."""
