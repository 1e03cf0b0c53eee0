"""A file that cannot be read is refused in words, without the system's number or its name twice."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from analysis.errors import AnalysisError
from analysis.importing.raters import read_key
from analysis.judgments.csv_text import read_text_table
from analysis.report.results.schema import read_results
from analysis.sources.file import read_source
from generators.config import read_toml
from generators.errors import GeneratorError
from generators.faces.landmarks import read_landmarks
from generators.nets.checkpoint import read_tensors
from generators.prompts import read_prompts
from metrics.classification.accuracy import read_classes
from metrics.classification.cas_config import read_config
from metrics.compute.foreign_table import read_table
from metrics.errors import MetricError
from metrics.scores import read_per_image, read_scores
from study_server.config import read_study_file
from study_server.errors import StudyError
from study_server.preregistration import read_preregistration
from study_server.simulation.rater_model import read_model
from study_server.study_record import read_study_record
from study_server.web.rater.i18n import read_own

READERS: dict[str, Callable[[Path], object]] = {
    "list of raters": read_key,
    "judgments": read_text_table,
    "results.json": read_results,
    "any table": read_source,
    "TOML": read_toml,
    "landmarks": read_landmarks,
    "tensors": partial(read_tensors, expected="weights"),
    "prompts": read_prompts,
    "classes": read_classes,
    "CAS": read_config,
    "added scores": read_table,
    "per_image.csv": read_per_image,
    "scores.json": read_scores,
    "study file": read_study_file,
    "preregistration": read_preregistration,
    "model of raters": read_model,
    "study.json": read_study_record,
    "catalogue": read_own,
}


@pytest.mark.parametrize("name", READERS)
def test_what_is_no_file_is_refused_in_words(name: str, tmp_path: Path) -> None:
    circle, folder = tmp_path / "circle.po", tmp_path / "folder.po"
    circle.symlink_to(circle)
    folder.mkdir()
    for path in (tmp_path / "nothing.po", circle, folder):
        with pytest.raises((AnalysisError, GeneratorError, MetricError, StudyError)) as raised:
            READERS[name](path)
        said = str(raised.value)
        assert said.count(str(path)) == 1, said
        assert "[Errno" not in said, said
        assert "\n" not in said, said
