"""The language of the rater pages: English in the source, the others from gettext catalogues.

The catalogues are kept as text (`translations/<language>/LC_MESSAGES/messages.po`) and compiled in
memory when the application is made, so that no built `.mo` file can be stale or missing. To change
a string, edit the template, then run the two commands at the head of `translations/babel.cfg`.
"""

import gettext
import io
import os
import re
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlencode

from babel import Locale, UnknownLocaleError
from babel.messages import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po
from flask import Flask, Response, g, request

from generators.errors import cause
from study_server.config import StudyFile
from study_server.errors import StudyError

# code -> its own name for itself
LANGUAGES = {
    "en": "English",
    "zh": "中文",
    "de": "Deutsch",
    "fr": "Français",
    "es": "Español",
    "ja": "日本語",
    "ar": "العربية",
}
NOT_PROOF_READ = ("de", "fr", "es", "ja", "ar")  # by native speakers
HTML_LANG = {"zh": "zh-Hans"}
SOURCE_LANGUAGE = "en"
FOLDER_VARIABLE = "FOOLRATE_TRANSLATIONS"  # a researcher's own catalogues, CODE.po
COOKIE = "lang"
_PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\w+\}")
TRANSLATIONS = Path(__file__).parents[1] / "translations"


@cache
def read_catalogue(language: str, folder: Path = TRANSLATIONS) -> gettext.NullTranslations:
    """Return the translations of one language, compiled from its .po file in memory.

    Raises
    ------
    FileNotFoundError
        The language has no catalogue.
    """
    if language == SOURCE_LANGUAGE:
        return gettext.NullTranslations()
    with (folder / language / "LC_MESSAGES" / "messages.po").open("rb") as text:
        return _compiled(read_po(text, locale=language))


def _compiled(catalogue: Catalog) -> gettext.GNUTranslations:
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def own_catalogues() -> dict[str, Path]:
    """Return language -> file of the catalogues in the folder that the environment names.

    Raises `StudyError` for a folder that is not there, and a file that is named for no language.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        return {}
    if not Path(folder).is_dir():
        raise StudyError(f"{FOLDER_VARIABLE} is {folder!r}, expected a folder with files CODE.po")
    found = {path.stem: path for path in sorted(Path(folder).glob("*.po"))}
    for code, path in found.items():
        try:
            Locale(code)
        except (ValueError, UnknownLocaleError):
            raise StudyError(
                f"{path}: {code!r} is no code of a language, expected as de.po"
            ) from None
    return found


def read_own(path: Path) -> gettext.NullTranslations:
    """Return a researcher's catalogue. Raises `StudyError` for one that lacks a message.

    Every message of messages.pot has to be there, with its placeholders.
    """
    with (TRANSLATIONS / "messages.pot").open("rb") as text:
        wanted = [message for message in read_po(text) if message.id]
    try:
        with path.open("rb") as text:
            given = read_po(text, locale=path.stem, abort_invalid=True)
    except FileNotFoundError:
        raise StudyError(f"{path}: no such file, expected a catalogue (.po)") from None
    except (OSError, PoFileError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: cannot be read ({cause(error)}), expected a catalogue") from None
    for message in wanted:
        _require(path, given, message)
    return _compiled(given)


def _require(path: Path, given: Catalog, wanted: Message) -> None:
    forms = [wanted.id] if isinstance(wanted.id, str) else list(wanted.id)
    found = given.get(forms[0])
    strings = found.string if found is not None and not found.fuzzy else ""
    texts = [strings] if isinstance(strings, str) else list(strings or ())
    if not texts or not all(texts):
        raise StudyError(f"{path}: lacks the message {forms[0]!r}")
    marks = set(_PLACEHOLDER.findall(forms[-1]))
    if any(set(_PLACEHOLDER.findall(each)) != marks for each in texts):
        needed = ", ".join(sorted(marks)) or "no placeholders"
        raise StudyError(f"{path}: the message {forms[0]!r} needs {needed}")


def languages() -> dict[str, str]:
    """Return code -> name of every language that the site speaks, own catalogues among them."""
    return LANGUAGES | {code: _own_name(code) for code in own_catalogues()}


def _own_name(code: str) -> str:
    name: str | None = Locale(code).get_display_name(code)
    return (name or code).capitalize()


def direction(language: str) -> str:
    """Return in which direction a language is written: ``ltr`` or ``rtl``."""
    return str(Locale(language).text_direction)


def require_spoken(file: StudyFile) -> list[str]:
    """Return notes on a study's languages. Raises `StudyError` for one without a catalogue."""
    own = own_catalogues()
    for language in file.study.languages:
        if language in own:
            read_own(own[language])
        elif language not in LANGUAGES:
            raise StudyError(
                f"study.languages names {language!r}, expected one of {', '.join(languages())}, or"
                f" {language}.po in the folder that {FOLDER_VARIABLE} names"
            )
    unread = [each for each in file.study.languages if each in NOT_PROOF_READ and each not in own]
    return [f"no native speaker has proof-read the pages in {LANGUAGES[each]}" for each in unread]


def choose_language(
    candidates: Iterable[str | None], offered: Collection[str] = tuple(LANGUAGES)
) -> str:
    """Return the first candidate that is offered, by its primary subtag ("zh-CN" is "zh")."""
    for candidate in candidates:
        primary = (candidate or "").lower().replace("_", "-").split("-")[0]
        if primary in offered:
            return primary
    return SOURCE_LANGUAGE if SOURCE_LANGUAGE in offered else next(iter(offered))


def offer(languages: Collection[str]) -> None:
    """Speak only these languages for the rest of this request: a study has some of ours."""
    g.offered = languages


def for_everybody() -> None:
    """Leave cookies aside for the rest of this request: a cache may give its response to others."""
    g.for_everybody = True


def current_language() -> str:
    """Return the language of this request: `?lang=`, the cookie, or what the browser asks for."""
    accepted = [tag for tag, _ in request.accept_languages]
    kept = None if g.get("for_everybody") else request.cookies.get(COOKIE)
    wanted = [request.args.get("lang"), kept, *accepted]
    return choose_language(wanted, g.get("offered", tuple(LANGUAGES)))


def remember_language(response: Response) -> Response:
    """Return the response with a cookie that keeps a language chosen by `?lang=`."""
    if g.get("for_everybody"):
        return response
    if request.args.get("lang") and current_language() != request.cookies.get(COOKIE):
        response.set_cookie(
            COOKIE, current_language(), samesite="Lax", httponly=True, secure=request.is_secure
        )
    return response


def language_url(language: str) -> str:
    """Return this page's address with another `lang`, all other parameters kept."""
    others = [(name, value) for name, value in request.args.items(multi=True) if name != "lang"]
    path = quote("/" + request.path.lstrip("/\\"))  # two slashes would begin a host
    return f"{path}?{urlencode([*others, ('lang', language)])}"


def install(app: Flask) -> None:
    """Give the app's templates `_`, `ngettext` and the names of the languages."""
    own, names = own_catalogues(), languages()
    catalogues = {
        code: read_own(own[code]) if code in own else read_catalogue(code) for code in names
    }
    tags = {code: HTML_LANG.get(code, code) for code in names}
    directions = {code: direction(code) for code in names}

    def translate(message: str) -> str:
        return catalogues[current_language()].gettext(message)

    def translate_plural(singular: str, plural: str, count: int) -> str:
        return catalogues[current_language()].ngettext(singular, plural, count)

    app.jinja_env.add_extension("jinja2.ext.i18n")
    # Jinja adds this method with the extension, so its type is not known here.
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
        translate, translate_plural, newstyle=True
    )
    app.context_processor(
        lambda: {
            "lang": current_language(),
            "html_lang": tags[current_language()],
            "html_dir": directions[current_language()],
            "html_langs": tags,
            "languages": names,
            "language_url": language_url,
        }
    )
    app.after_request(remember_language)
