"""The rater pages say everything in every language, and pick the rater's own."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import pytest
from actors import Rater
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po
from flask import Flask, render_template_string
from small_study import app_on

from study_server.config import parse_study_file
from study_server.errors import StudyError, StudyFileError
from study_server.studies.states import find_study
from study_server.web.rater import i18n

TEMPLATES = Path(i18n.__file__).parents[1] / "templates" / "rater"
LABEL = re.compile(r"“([^”%]+)”")
PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\w+\}")


def messages_of_the_templates():
    """Return every message in the templates; a tuple where it has a plural."""
    found = extract_from_dir(
        TEMPLATES, [("**.html", "jinja2")], {"**.html": {"newstyle_gettext": "true"}}
    )
    return {message for _, _, message, _, _ in found}


def catalogue(path):
    """Return message -> translation of a catalogue file."""
    language = path.partition("/")[0].removesuffix("messages.pot") or None
    entries = read_po(BytesIO((i18n.TRANSLATIONS / path).read_bytes()), locale=language)
    key = lambda message: tuple(message.id) if message.pluralizable else message.id  # noqa: E731
    return {key(message): message for message in entries if message.id}


def test_the_template_catalogue_holds_the_templates_messages():
    messages = messages_of_the_templates()
    assert len(messages) > 100
    assert set(catalogue("messages.pot")) == messages


@pytest.mark.parametrize("language", [code for code in i18n.LANGUAGES if code != "en"])
def test_a_catalogue_lacks_nothing_and_keeps_every_placeholder(language):
    entries = catalogue(f"{language}/LC_MESSAGES/messages.po")
    assert set(entries) == messages_of_the_templates()
    for message, entry in entries.items():
        source = message if isinstance(message, str) else message[-1]
        texts = [entry.string] if isinstance(entry.string, str) else entry.string
        for text in texts:
            assert text.strip(), f"no translation of {source!r}"
            assert not entry.fuzzy, source
            assert set(PLACEHOLDER.findall(text)) == set(PLACEHOLDER.findall(source)), source


# How a sentence ends elsewhere; in Japanese, what asks or introduces ends as a statement does.
ENDS = {
    "zh": {".": "。", "?": "？", ":": "："},
    "ja": {".": "。", "?": "。", ":": "。"},
    "ar": {".": ".", "?": "؟", ":": ":"},
}


@pytest.mark.parametrize("language", [code for code in i18n.LANGUAGES if code != "en"])
def test_translations_are_punctuated_as_their_language_is(language):
    entries = catalogue(f"{language}/LC_MESSAGES/messages.po")
    for message, entry in entries.items():
        source = message if isinstance(message, str) else message[-1]
        for text in [entry.string] if isinstance(entry.string, str) else entry.string:
            end = source[-1] if source[-1] in ".?:" else ""
            wanted = ENDS.get(language, {}).get(end, end)
            assert text.endswith(wanted), text
            assert end or text[-1] not in ".?:。？：؟", text
            assert "  " not in text, text
            bare = PLACEHOLDER.sub("", text)
            assert language != "ar" or not re.search("[?,;]", bare), text
            # A mark that French puts after a space must not begin a line of its own.
            assert language != "fr" or not re.search("[ ][?:;!»]|«[ ]|'", text), text


@pytest.mark.parametrize("language", [code for code in i18n.LANGUAGES if code != "en"])
def test_a_button_is_named_as_it_is_labelled(language):
    entries = catalogue(f"{language}/LC_MESSAGES/messages.po")
    named = [(m, label) for m in entries if isinstance(m, str) for label in LABEL.findall(m)]
    assert len(named) == 3
    for message, label in named:
        assert entries[label].string in entries[message].string


def test_no_message_of_the_rater_pages_is_written_past_the_catalogue():
    """Words between tags that are not inside `{{ }}` would stay English."""
    written = {}
    for template in TEMPLATES.glob("*.html"):
        text = template.read_text(encoding="utf-8")
        text = re.sub(r"\{% block \w+_class %\}.*?\{% endblock %\}", "", text)
        text = re.sub(r"\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}", "", text, flags=re.DOTALL)
        text = re.sub(r"<!doctype[^>]*>|<[^>]*>|data-[a-z-]+=\"\"|>", "", text)
        written[template.name] = re.findall(r"[A-Za-z]{2,}", text)
    expected: dict[str, list[str]] = {name: [] for name in written} | {"base.html": ["SIMULATED"]}
    assert written == expected


@pytest.mark.parametrize(
    ("candidates", "language"),
    [
        ([None, None, "zh-CN"], "zh"),
        (["zh_TW"], "zh"),
        (["xx", "", "en-US", "zh"], "en"),
        (["zh", "en"], "zh"),
        (["sv", "fi"], "en"),
        (["de-AT"], "de"),
        ([], "en"),
        (["../../etc"], "en"),
    ],
)
def test_the_first_language_that_we_speak_is_chosen(candidates, language):
    assert i18n.choose_language(candidates) == language


@pytest.mark.parametrize(
    ("offered", "wanted", "language"),
    [(("en",), ["zh"], "en"), (("zh",), ["en"], "zh"), (("en", "zh"), ["zh"], "zh")],
)
def test_only_the_studys_languages_are_spoken(offered, wanted, language):
    assert i18n.choose_language(wanted, offered) == language


def test_a_study_in_one_language_greets_everybody_in_it(sqlite, make_study):
    make_study(sqlite, ("contact =", 'languages = ["en"]\ncontact ='))
    page = app_on(sqlite).test_client().get("/s/small/", headers={"Accept-Language": "zh-CN"})
    assert '<html lang="en" dir="ltr">' in page.text
    assert "中文" not in page.text


@pytest.fixture
def client():
    app = Flask(__name__)
    i18n.install(app)
    page = "{{ html_lang }} {{ _('Thank you') }} {{ language_url('en') }}"
    app.add_url_rule("/", view_func=lambda: render_template_string(page))
    return app.test_client()


def test_the_address_outranks_the_cookie_and_the_cookie_the_browser(client):
    english = client.get("/", headers={"Accept-Language": "en-GB"}).text
    assert english.startswith("en Thank you")
    assert client.get("/", headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}).text.startswith(
        "zh-Hans 谢谢您"
    )
    first = client.get("/?lang=zh", headers={"Accept-Language": "en"})
    assert first.text.startswith("zh-Hans")
    assert "lang=zh" in first.headers["Set-Cookie"]
    assert client.get("/", headers={"Accept-Language": "en"}).text.startswith("zh-Hans")


def test_changing_the_language_keeps_the_panels_parameters(client):
    text = client.get("/?PROLIFIC_PID=5f&lang=zh&SESSION_ID=a%26b").text
    assert text.endswith("/?PROLIFIC_PID=5f&amp;SESSION_ID=a%26b&amp;lang=en")


def test_an_unknown_language_has_no_catalogue():
    with pytest.raises(FileNotFoundError):
        i18n.read_catalogue("xx")


# ── the researcher's own texts and languages ─────────────────────────────────────────────────────

TEXTS = """title = { en = "A study", ar = "دراسة" }
languages = ["en", "ar"]
consent = { en = "Please agree.", ar = "من فضلك وافق." }
pay = { en = "Two pounds", ar = "جنيهان" }
question = { task2 = { en = "Which is real?", ar = "أيهما حقيقية؟" } }
"""
ONE_TITLE = ('title = "A small study"\n', TEXTS)


def test_a_study_says_everything_in_the_raters_language(sqlite, make_study):
    make_study(sqlite, ONE_TITLE)
    rater = Rater(app_on(sqlite), query="?lang=ar")
    page = rater.client.get(rater.link).text
    assert '<html lang="ar" dir="rtl">' in page
    for words in ("دراسة", "من فضلك وافق.", "جنيهان"):
        assert words in page
    assert "A study" not in page
    assert "Please agree." not in page
    assert rater.begin().state["settings"]["question"] == "أيهما حقيقية؟"
    with sqlite.reading() as db_session:
        assert find_study(db_session, "small").title == "A study"


@pytest.mark.parametrize(
    ("old", "where"),
    [
        (', ar = "دراسة"', "study.title"),
        (', ar = "من فضلك وافق."', "study.consent"),
        (', ar = "جنيهان"', "study.pay"),
        (', ar = "أيهما حقيقية؟"', "study.question.task2"),
    ],
)
def test_a_text_that_lacks_an_offered_language_is_refused(study_text, old, where):
    text = study_text.replace(ONE_TITLE[0], TEXTS.replace(old, ""))
    with pytest.raises(StudyFileError, match=f"{where} has no text in 'ar', which"):
        parse_study_file(text, "x")


def own(folder, change=lambda text: text):
    """Write a catalogue of Swahili whose texts are the English ones, and return its folder."""
    with (i18n.TRANSLATIONS / "messages.pot").open("rb") as stream:
        catalogue = read_po(stream, locale="sw")
    for message in catalogue:
        if message.id:
            single = isinstance(message.id, str)
            message.string = f"sw {message.id}" if single else tuple(message.id)
    made = BytesIO()
    write_po(made, catalogue)
    (folder / "sw.po").write_text(change(made.getvalue().decode()))
    return folder


def file_in(study_text, language):
    return parse_study_file(
        study_text.replace("contact =", f'languages = ["{language}"]\ncontact ='), "x"
    )


def test_a_researchers_own_catalogue_adds_a_language(sqlite, make_study, tmp_path, monkeypatch):
    monkeypatch.setenv(i18n.FOLDER_VARIABLE, str(own(tmp_path)))
    make_study(sqlite, ("contact =", 'languages = ["sw"]\ncontact ='))
    page = app_on(sqlite).test_client().get("/s/small/").text
    assert '<html lang="sw" dir="ltr">' in page
    assert "sw I agree, continue" in page
    assert "Kiswahili" in page


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace('"sw Begin"', '""'), "lacks the message 'Begin'"),
        (
            lambda text: text.replace("sw Contact: %(contact)s", "sw Contact"),
            r"the message 'Contact: %\(contact\)s' needs %\(contact\)s",
        ),
        (lambda _text: "msgid broken", "cannot be read"),
    ],
)
def test_a_catalogue_that_lacks_something_is_refused(
    study_text, tmp_path, monkeypatch, change, words
):
    monkeypatch.setenv(i18n.FOLDER_VARIABLE, str(own(tmp_path, change)))
    with pytest.raises(StudyError, match=words) as refusal:
        i18n.require_spoken(file_in(study_text, "sw"))
    assert "\n" not in str(refusal.value)


def test_a_language_without_a_catalogue_is_refused(study_text, tmp_path, monkeypatch):
    with pytest.raises(StudyError, match=r"names 'sw', expected one of en, zh, de, fr, es, ja, ar"):
        i18n.require_spoken(file_in(study_text, "sw"))
    monkeypatch.setenv(i18n.FOLDER_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(StudyError, match="expected a folder with files"):
        i18n.require_spoken(file_in(study_text, "en"))


def test_what_no_native_speaker_read_is_said(study_text):
    assert i18n.require_spoken(file_in(study_text, "en")) == []
    (note,) = i18n.require_spoken(file_in(study_text, "ja"))
    assert note == "no native speaker has proof-read the pages in 日本語"
    for code in i18n.NOT_PROOF_READ:
        path = i18n.TRANSLATIONS / code / "LC_MESSAGES" / "messages.po"
        assert "NOT proof-read by a native speaker" in path.read_text().splitlines()[0]
