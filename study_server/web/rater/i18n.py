"""The language of the rater pages: English in the source, the others from gettext catalogues.

The catalogues are kept as text (`translations/<language>/LC_MESSAGES/messages.po`) and compiled in
memory when the application is made, so that no built `.mo` file can be stale or missing. To change
a string, edit the template, then run the two commands at the head of `translations/babel.cfg`.
"""

import gettext
import io
from collections.abc import Collection, Iterable
from pathlib import Path
from urllib.parse import urlencode

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask import Flask, Response, g, request

LANGUAGES = {"en": "English", "zh": "中文"}
HTML_LANG = {"en": "en", "zh": "zh-Hans"}
SOURCE_LANGUAGE = "en"
COOKIE = "lang"
TRANSLATIONS = Path(__file__).parents[1] / "translations"


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
        catalogue = read_po(text, locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


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


def current_language() -> str:
    """Return the language of this request: `?lang=`, the cookie, or what the browser asks for."""
    accepted = [tag for tag, _ in request.accept_languages]
    wanted = [request.args.get("lang"), request.cookies.get(COOKIE), *accepted]
    return choose_language(wanted, g.get("offered", tuple(LANGUAGES)))


def remember_language(response: Response) -> Response:
    """Return the response with a cookie that keeps a language chosen by `?lang=`."""
    if request.args.get("lang") and current_language() != request.cookies.get(COOKIE):
        response.set_cookie(
            COOKIE, current_language(), samesite="Lax", httponly=True, secure=request.is_secure
        )
    return response


def language_url(language: str) -> str:
    """Return this page's address with another `lang`, all other parameters kept."""
    others = [(name, value) for name, value in request.args.items(multi=True) if name != "lang"]
    return f"{request.path}?{urlencode([*others, ('lang', language)])}"


def install(app: Flask) -> None:
    """Give the app's templates `_`, `ngettext` and the names of the languages."""
    catalogues = {language: read_catalogue(language) for language in LANGUAGES}

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
            "html_lang": HTML_LANG[current_language()],
            "html_langs": HTML_LANG,
            "languages": LANGUAGES,
            "language_url": language_url,
        }
    )
    app.after_request(remember_language)
