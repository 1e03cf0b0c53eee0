"""The data-protection sheet of a study: what it asks, stores, shows and pays, from its file.

What the software cannot know stands in it as a gap to be filled in, never as a guess.
"""

from __future__ import annotations

from collections.abc import Iterator

from study_server.config import StudyFile
from study_server.words import in_language

GAP = "**[to be filled in]**"
PANELS = {
    "prolific": "Prolific, which names raters by an id of 24 digits",
    "connect": "CloudResearch Connect, which names raters by an id",
    "sona": "SONA, which names participants by a code",
    "url": "a panel that names raters by an id in the link",
    "open": "an open link; nobody is named",
    "invitation": "one-time links; nobody is named",
}


def ethics_sheet(file: StudyFile) -> str:
    """Return the sheet as Markdown."""
    lines = [
        f"# Data protection: {file.study.name}",
        "",
        f"Study `{file.study.id}`, version {file.study.version}."
        " foolrate filled it in from the study file;"
        " `docs/privacy.md` describes the software in general.",
    ]
    for title, body in _sections(file).items():
        lines += ["", f"## {title}", "", *(f"* {line}" for line in body)]
    return "\n".join(lines) + "\n"


def _sections(file: StudyFile) -> dict[str, list[str]]:
    """Return title -> lines."""
    return {
        "Responsible": [
            f"Contact for raters: {file.study.contact}",
            f"Controller (institution, address): {GAP}",
            f"Data protection officer: {GAP}",
            f"Ethics approval, number and date: {GAP}",
            f"Legal basis: {GAP} (the study asks for consent before anything is stored)",
        ],
        "What raters do": list(_task(file)),
        "Who takes part, and what they get": list(_raters(file)),
        "What is stored": list(_stored(file)),
        "What leaves the server": [
            "The export carries a rater number, answers, times and the display's facts."
            " It never carries a panel's id, an address or a browser's identification.",
            f"Where the export and the released data go: {GAP}",
            *_public(file),
        ],
        "How long": list(_kept(file)),
        "Rights": [
            "A rater withdraws by a link on every page after the consent, without a reason;"
            " answers, comment, device facts and ids are deleted at once, and only the"
            " note that rater number N withdrew stays.",
            f"Until when withdrawal deletes: {GAP} (we suggest: until the data are published)",
        ],
        "Risks": [
            "Still images for a few seconds; nothing flashes."
            if file.design.exposure_ms
            else "Still images until they are answered; nothing flashes.",
            f"Images of people, or that could upset: {GAP}",
        ],
        "Where it runs": [
            f"Server, country, who can log in: {GAP}",
            "Transport by TLS; the database keeps hashes of links and ids, with a secret of the"
            " installation that is kept apart from it and its backups.",
        ],
    }


def _task(file: StudyFile) -> Iterator[str]:
    trials = file.practice.trials + file.design.trials + file.catch.trials
    asked = len(file.questions) or 1
    shown = "images, one at a time," if file.design.trial == "single" else "trials with images"
    yield (
        f"They look at {trials} {shown} and answer"
        f" {'one question' if asked == 1 else f'{asked} questions'} about each;"
        f" it takes about {file.study.minutes} minutes."
    )
    yield f"Languages of the pages: {', '.join(file.study.languages)}."
    yield (
        "Consent: the study's own text." if file.study.consent else "Consent: the built-in text."
    )


def _raters(file: StudyFile) -> Iterator[str]:
    kind = file.design.kind
    judged = file.pairs if file.design.trial == "preference" else file.conditions
    cells = len(file.study.tasks) * (len(judged) if kind == "between-raters" else 1)
    yield f"{file.design.raters * cells} raters, through {PANELS[file.provider.kind]}."
    reward = file.recruit.reward
    if reward is not None:
        hourly = reward * 60 / file.study.minutes
        yield f"Pay: {reward:.2f} for each who finishes, {hourly:.2f} an hour."
    else:
        pay = file.study.pay
        yield f"Pay: {in_language(pay, file.study.languages[0]) if pay else GAP}"
    yield "Pay does not depend on being right: rules for pay and for use are separate lists."


def _stored(file: StudyFile) -> Iterator[str]:
    yield "Each choice, its time, how long the images were really shown, kind of input."
    if file.images.view == "zoom":
        yield "Which parts of the images a rater enlarged, and when after the images' first frame."
    yield "Window size, pixel ratio and refresh rate of the display; the language of the pages."
    for when in ("before", "after"):
        for question in file.ask.questions(when):
            yield f"Asked {when} the trials: {in_language(question.text, file.study.languages[0])}"
    if file.reason.ask != "never":
        on = "every trial" if file.reason.share == 1 else f"{file.reason.share:.0%} of the trials"
        may = "" if file.reason.ask == "required" else ", which may be left out"
        yield (
            f"On {on} a reason in the rater's own words, at most {file.reason.most}"
            f" characters{may}; raters are asked to write nothing that shows who they are."
        )
    yield "A comment at the end, if the rater writes one."
    if file.provider.kind not in ("open", "invitation"):
        yield "A keyed hash of the panel's id: one session for one person, and pay."
    if file.provider.keep_ids_for_payment:
        yield "The panel's id itself, encrypted, for pay; its key can be destroyed."
    yield "No name, e-mail address, network address or browser identification."


def _public(file: StudyFile) -> Iterator[str]:
    if file.results.public == "never":
        return
    when = "while the study runs" if file.results.public == "live" else "once it is closed"
    yield (
        f"Everybody sees at /results/{file.study.id}/, {when}, an interval for each condition after"
        f" every {file.results.batch} raters; no answers of single raters."
    )


def _kept(file: StudyFile) -> Iterator[str]:
    yield f"Answers under a rater number: {GAP}"
    if file.provider.keep_ids_for_payment:
        yield "The panel's ids: until pay is done (`study close --forget-payment-ids`)."
    yield f"What can lead back to a person: {GAP}; `study purge --older-than` deletes it."
    if file.ask.keep_days is not None:
        yield f"Answers to questionnaires: {file.ask.keep_days} days after the study was closed."
    if file.reason.ask != "never":
        days = file.reason.keep_days
        yield (
            f"Reasons: {GAP if days is None else f'{days} days after the study was closed'};"
            " `study purge` deletes them, and the choices stay provably as they were."
        )
    yield f"Backups: {GAP}"
