"""Errors of this package.

StudyError                  what a researcher can put right; the command line prints it as one line
├── StudyFileError          the study file is wrong, or does not fit its runs
├── StimulusError           images that cannot be shown fairly beside each other
├── DatabaseError           no database, one of a newer version, or one that cannot be reached
├── StateError              the study is not in the state that the command needs
└── AddressError            a port in use, or an address that cannot be served
"""


class StudyError(Exception):
    """What a researcher can put right: the message says what was found and what was expected."""


class StudyFileError(StudyError):
    """The study file is wrong, or does not fit the runs it names."""


class StimulusError(StudyError):
    """Images cannot be shown fairly beside each other."""


class DatabaseError(StudyError):
    """The database is missing, newer than this program, or cannot be reached."""


class StateError(StudyError):
    """The study is not in the state that the command needs."""


class AddressError(StudyError):
    """The address cannot be served."""
