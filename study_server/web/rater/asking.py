"""The pages that ask raters besides the trials: questionnaires and the comprehension check."""

from __future__ import annotations

from flask import Response, abort, request
from werkzeug.wrappers import Response as AnyResponse

from study_server.asking import Question, problem
from study_server.sessions.answering import asked
from study_server.web.context import this_site
from study_server.web.rater.visit import Visit, at, end_session, move, pages

NEXT = {"before": "device", "after": "comment"}  # the step that each questionnaire comes before


def owed(visit: Visit, when: str) -> tuple[Question, ...]:
    """Return the questionnaire that this rater has to answer before going on."""
    return asked.still_to_answer(this_site().database, visit.file, visit.rater.id, when)


def _questionnaire(visit: Visit, when: str) -> AnyResponse:
    questions = owed(visit, when)
    if not questions:
        return visit.go(NEXT[when])
    if request.method == "GET":
        return _form(visit, questions, {}, {})
    given = {each.id: _given(each) for each in questions}
    problems = {each.id: code for each in questions if (code := problem(each, given[each.id]))}
    if problems:
        return _form(visit, questions, given, problems, status=400)
    asked.keep(this_site().database, visit.rater.id, given)
    return visit.go(NEXT[when])


def _given(question: Question) -> str:
    return request.form.get(f"q-{question.id}", "").replace("\0", "").strip()


def _form(
    visit: Visit,
    questions: tuple[Question, ...],
    given: dict[str, str],
    problems: dict[str, str],
    status: int = 200,
) -> Response:
    page = visit.page("questionnaire", questions=questions, given=given, problems=problems)
    page.status_code = status
    return page


@pages.route("/r/<token>/before", methods=["GET", "POST"])
@at("device")
def before(visit: Visit) -> AnyResponse:
    """Ask what the study wants to know before the trials."""
    return _questionnaire(visit, "before")


@pages.route("/r/<token>/after", methods=["GET", "POST"])
@at("comment")
def after(visit: Visit) -> AnyResponse:
    """Ask what the study wants to know after the trials."""
    return _questionnaire(visit, "after")


@pages.get("/r/<token>/check")
@at("instructions")
def check(visit: Visit) -> AnyResponse:
    """Show the comprehension check."""
    if not visit.file.check.questions:
        return visit.go("instructions")
    given = asked.attempts(this_site().database, visit.rater.id)
    return visit.page("check", questions=visit.file.check.questions, again=bool(given))


@pages.post("/r/<token>/check")
@at("instructions")
def answer_check(visit: Visit) -> AnyResponse:
    """Lead a rater who has understood to the trials; after the second attempt, out."""
    questions = visit.file.check.questions
    answers = {str(n): request.form.get(f"c-{n}", "") for n in range(len(questions))}
    if not questions or any(
        answers[str(n)] not in {option.value for option in each.options}
        for n, each in enumerate(questions)
    ):
        abort(visit.message("bad-form"))
    right = visit.file.check.right(answers)
    stand = asked.attempt(this_site().database, visit.file, visit.rater.id, right)
    if stand == "passed":
        move(visit.rater, "run")
        return visit.go("run")
    if stand == "again":
        return visit.go("check")
    end_session(visit.rater, "screened_out")
    return visit.go("end")


def failed_check(visit: Visit) -> bool:
    """Return whether a rater was let go for the comprehension check."""
    if visit.rater.outcome != "screened_out" or not visit.file.check.questions:
        return False
    given = asked.attempts(this_site().database, visit.rater.id)
    return asked.outcome(visit.file, given) == "failed"
