"""Where raters come from, as data: which URL parameters name them, and where they go afterwards."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from study_server.config import Provider

_MAX_ID = 200
_PROLIFIC_ID = "[0-9a-f]{24}"
# What panels' templates write where an id belongs: {{%ID%}}, ${id}, [%ID%], <id>, *|ID|*, @@ID@@.
_PLACEHOLDER = re.compile(r"[{}\[\]<>%$*|]|^@@.*@@$|^__.*__$")
# What programs write where they found nothing, and parameters that were given as their own value.
_NOBODY = frozenset(
    ("undefined", "null", "none", "nan", "prolific_pid", "session_id", "study_id", "participant_id")
)


class UnfilledError(Exception):
    """A link's placeholder was never replaced by an id; `parameter` names it."""

    def __init__(self, parameter: str) -> None:
        """Keep the parameter's name."""
        super().__init__(parameter)
        self.parameter = parameter


@dataclass(frozen=True)
class Panel:
    """How one kind of provider names raters in the link it sends them with."""

    name: str | None  # as the debrief says it
    id_parameter: str | None
    submission_parameter: str | None
    return_url: str | None  # with {code} and {id}
    needs_id: bool
    id_pattern: str | None = None  # of the whole id
    submission_pattern: str | None = None


PANELS = {
    # Prolific's participant site moved to app.prolific.com; the code is the one of the outcome.
    "prolific": Panel(
        "Prolific",
        "PROLIFIC_PID",
        "SESSION_ID",
        "https://app.prolific.com/submissions/complete?cc={code}",
        needs_id=True,
        id_pattern=_PROLIFIC_ID,
        submission_pattern=_PROLIFIC_ID,
    ),
    # CloudResearch Connect: a fixed code, or a redirect of the project that return_url names.
    "connect": Panel("Connect", "participantId", "assignmentId", None, needs_id=True),
    # SONA: %SURVEY_CODE% in the link; credit is given by `study recruit credit`, not by a code.
    "sona": Panel("SONA", "sona_code", None, None, needs_id=True),
    "url": Panel(None, None, None, None, needs_id=True),
    "open": Panel(None, None, None, None, needs_id=False),
    "invitation": Panel(None, None, None, None, needs_id=False),
}
INVITATION_PARAMETER = "invitation"
SIGNATURE_PARAMETER = "signature"
SIMULATION_PARAMETER = "simulation"


def panel_of(provider: Provider) -> Panel:
    """Return the panel of a study file, its own keys in place of the kind's."""
    kind = PANELS[provider.kind]
    return Panel(
        kind.name,
        provider.id_parameter or kind.id_parameter,
        provider.submission_parameter or kind.submission_parameter,
        provider.return_url or kind.return_url,
        kind.needs_id,
        provider.id_pattern or kind.id_pattern,
        kind.submission_pattern,
    )


def identifier(
    parameters: Mapping[str, str], name: str | None, pattern: str | None = None
) -> str | None:
    """Return one id of the link, None where it is missing, or not of the panel's form.

    Raises `UnfilledError` for a placeholder, which would make one rater of all.
    """
    value = parameters.get(name, "").strip() if name else ""
    if not name or not value:
        return None
    if is_placeholder(value, name):
        raise UnfilledError(name)
    if len(value) > _MAX_ID or not value.isprintable():
        return None
    return value if pattern is None or re.fullmatch(pattern, value) else None


def is_placeholder(value: str, name: str) -> bool:
    """Return whether a value is what a template holds in an id's place, not an id."""
    lower = value.lower()
    return bool(_PLACEHOLDER.search(value)) or lower in _NOBODY or lower == name.lower()


def return_link(panel: Panel, code: str, panel_id: str | None = None) -> str | None:
    """Return where the debrief leads, None where a rater has nowhere to go back to.

    `panel_id` takes the place of {id}; without one, a link that needs it leads nowhere.
    """
    url = panel.return_url
    if url is None or ("{id}" in url and panel_id is None):
        return None
    values = {"{code}": code, "{id}": panel_id or ""}
    return re.sub(r"\{(?:code|id)\}", lambda found: quote(values[found[0]], safe=""), url)
