"""Where raters come from, as data: which URL parameters name them, and where they go afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from study_server.config import Provider

_MAX_ID = 200


@dataclass(frozen=True)
class Panel:
    """How one kind of provider names raters in the link it sends them with."""

    name: str | None  # as the debrief says it
    id_parameter: str | None
    submission_parameter: str | None
    return_url: str | None  # with {code}
    needs_id: bool


PANELS = {
    # Prolific's participant site moved to app.prolific.com; the code is the one of the outcome.
    "prolific": Panel(
        "Prolific",
        "PROLIFIC_PID",
        "SESSION_ID",
        "https://app.prolific.com/submissions/complete?cc={code}",
        needs_id=True,
    ),
    "url": Panel(None, None, None, None, needs_id=True),
    "open": Panel(None, None, None, None, needs_id=False),
    "invitation": Panel(None, None, None, None, needs_id=False),
}
INVITATION_PARAMETER = "invitation"
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
    )


def identifier(parameters: Mapping[str, str], name: str | None) -> str | None:
    """Return one id of the link, None where it is missing, empty or no id at all."""
    value = parameters.get(name, "").strip() if name else ""
    return value if value and len(value) <= _MAX_ID and value.isprintable() else None


def return_link(panel: Panel, code: str) -> str | None:
    """Return where the debrief leads, None where a rater has nowhere to go back to."""
    return panel.return_url.replace("{code}", quote(code, safe="")) if panel.return_url else None
