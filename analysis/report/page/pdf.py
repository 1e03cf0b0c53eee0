"""report.pdf: the page set on paper by WeasyPrint, an extra."""

from __future__ import annotations

import hashlib

from analysis.errors import AnalysisError


def write_pdf(page: str, title: str) -> bytes:
    """Return the PDF of a printing page. Raises `AnalysisError` without WeasyPrint."""
    try:
        from weasyprint import HTML
    except (ImportError, OSError) as error:
        raise AnalysisError(
            f"report.pdf needs WeasyPrint and Pango ({error}): pip install 'weasyprint>=65'"
        ) from None
    identifier = hashlib.sha256(title.encode()).digest()[:16]
    data = HTML(string=page).write_pdf(pdf_identifier=identifier)
    return bytes(data)
