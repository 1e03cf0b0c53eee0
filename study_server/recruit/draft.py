"""What Prolific is told of a study: pure, from the study file, its blocks and its codes.

Fields and values are those of https://docs.prolific.com/api-reference/studies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from study_server.config import StudyFile
from study_server.errors import PanelError

# The least that Prolific lets a researcher pay for an hour, in hundredths, by currency.
# https://researcher-help.prolific.com: £6.00 or $8.00.
LEAST_AN_HOUR = {"GBP": 600, "USD": 800}
PARAMETERS = "PROLIFIC_PID={{%PROLIFIC_PID%}}&STUDY_ID={{%STUDY_ID%}}&SESSION_ID={{%SESSION_ID%}}"
_CODE_TYPES = {
    "completed": "COMPLETED",
    "no_consent": "NO_CONSENT",
    "screened_out": "INCOMPATIBLE_DEVICE",
    "timed_out": "OTHER",
    "full": "OTHER",
}
_RETURN = {"action": "REQUEST_RETURN"}


def cents(amount: float) -> int:
    """Return an amount of money in hundredths."""
    return round(amount * 100)


def draft_of(
    file: StudyFile,
    codes: Mapping[str, str],
    *,
    site: str,
    places: int,
    internal_name: str,
    currency: str,
) -> dict[str, Any]:
    """Return the body of a new study on Prolific. Raises `PanelError` for what it would refuse.

    `site` is the address that raters reach the study at, `places` how many blocks there are,
    `currency` the workspace's.
    """
    asked = file.recruit
    if file.provider.kind != "prolific":
        raise PanelError(f"provider.kind is {file.provider.kind!r}, expected 'prolific'")
    if asked.reward is None or asked.description is None:
        missing = "reward" if asked.reward is None else "description"
        raise PanelError(f"the study file has no recruit.{missing}, which Prolific needs")
    _check_codes(codes)
    _check_reward(cents(asked.reward), file.study.minutes, currency)
    wanted = places if asked.places is None else asked.places
    if wanted > places:
        raise PanelError(f"recruit.places is {wanted}, expected at most the {places} free blocks")
    body = {
        "name": file.study.name,
        "internal_name": internal_name,
        "description": asked.description,
        "external_study_url": f"{_checked_site(site)}/s/{file.study.id}/?{PARAMETERS}",
        "prolific_id_option": "url_parameters",
        "completion_codes": _completion_codes(file, codes, wanted),
        "total_available_places": wanted,
        "estimated_completion_time": file.study.minutes,
        "reward": cents(asked.reward),
        "device_compatibility": list(asked.devices),
        "peripheral_requirements": [],
        "submissions_config": {"max_submissions_per_participant": 1},
        "study_labels": list(asked.labels),
    }
    extra = {"maximum_allowed_time": asked.maximum_minutes, "filter_set_id": asked.filter_set}
    return body | {name: value for name, value in extra.items() if value is not None}


def _check_codes(codes: Mapping[str, str]) -> None:
    twice = [code for code, count in Counter(map(str.upper, codes.values())).items() if count > 1]
    if twice:
        names = " and ".join(sorted(name for name, code in codes.items() if code.upper() in twice))
        raise PanelError(f"{names} have the same completion code, expected one for each outcome")


def _check_reward(reward: int, minutes: int, currency: str) -> None:
    least = LEAST_AN_HOUR.get(currency)
    if least is not None and reward * 60 < least * minutes:
        needed = -(-least * minutes // 60)
        raise PanelError(
            f"recruit.reward is {reward / 100:.2f} for {minutes} minutes, expected"
            f" {needed / 100:.2f} {currency} or more: the panel's minimum is {least / 100:.2f} an"
            " hour"
        )


def _checked_site(site: str) -> str:
    parts = urlsplit(site)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment:
        raise PanelError(f"--site {site!r}: expected the https:// address that raters come to")
    return site.rstrip("/")


def _completion_codes(
    file: StudyFile, codes: Mapping[str, str], places: int
) -> list[dict[str, Any]]:
    return [
        {
            "code": code,
            "code_type": _code_type(outcome, file),
            "actor": "participant",
            "actions": [_action(outcome, file, places)],
        }
        for outcome, code in codes.items()
    ]


def _code_type(outcome: str, file: StudyFile) -> str:
    if outcome == "screened_out" and file.recruit.screen_out_reward is not None:
        return "FIXED_SCREENOUT"
    return _CODE_TYPES[outcome]


def _action(outcome: str, file: StudyFile, places: int) -> dict[str, Any]:
    if outcome == "completed":
        at_once = file.recruit.finished == "approve"
        return {"action": "AUTOMATICALLY_APPROVE" if at_once else "MANUALLY_REVIEW"}
    if outcome == "screened_out" and file.recruit.screen_out_reward is not None:
        reward = cents(file.recruit.screen_out_reward)
        return {
            "action": "FIXED_SCREEN_OUT_PAYMENT",
            "fixed_screen_out_reward": reward,
            "slots": places,
        }
    return dict(_RETURN)
