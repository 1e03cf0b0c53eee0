"""study.json: read with its ranges, written as it was, one line for what it is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.judgments.study import DeclaredAnalysis, declared_options, read_study
from study_server.errors import StudyError
from study_server.study_record import StudyRecord, read_study_record, study_json

FIELDS = {
    "alpha": 0.01,
    "conditions": {"sr3": {"run": "runs/sr3", "run_digest": "0" * 64}},
    "exclusions": {"max_failed_catch": 1, "rt_tukey_factor": 1.5},
    "format_version": 1,
    "reference": {"run": "runs/real"},
    "something_new": [1, {"a": None}],
    "version": 2,
}


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "study.json"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_record_is_written_as_it_was_read(tmp_path: Path) -> None:
    text = json.dumps(FIELDS, indent=1, sort_keys=True) + "\n"
    assert study_json(read_study_record(written(tmp_path, text))) == text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"alpha": 0.7}, "alpha is 0.7, expected less than 0.5"),
        ({"alpha": "0.05"}, "alpha is '0.05', expected a valid number"),
        ({"equivalence_margin": 0}, "equivalence_margin is 0, expected greater than 0"),
        ({"estimand": "all"}, "estimand is 'all', expected 'population', 'fixed-images' or "),
        ({"correction": "tukey"}, "correction is 'tukey', expected 'holm', 'bh' or 'none'"),
        ({"family": "sr3"}, "family is 'sr3', expected a valid list"),
        ({"exclusions": {"max_failed_catch": True}}, "exclusions.max_failed_catch.int is True"),
        ({"conditions": []}, "conditions is [], expected a valid dictionary"),
        ({"conditions": {"a": {"run": 5}}}, "conditions.a.run is 5, expected a valid string"),
        ({"reference": "runs/real"}, "reference is 'runs/real', expected"),
        ({"files": {"../../secret": "0"}}, "files.../../secret.[key] is '../../secret', expected"),
        ({"files": {"/etc/hostname": "0"}}, "files./etc/hostname.[key] is '/etc/hostname'"),
        ({"format_version": 2}, "format_version is 2, expected 1"),
    ],
)
def test_a_value_out_of_range_is_one_line_that_names_it(tmp_path: Path, fields, said) -> None:
    path = written(tmp_path, json.dumps(fields))
    with pytest.raises(StudyError) as caught:
        read_study_record(path)
    assert str(caught.value).startswith(f"{path}: {said}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"), [("{", "not JSON"), ("[1]", "holds a list"), ("[" * 9999, "not JSON")]
)
def test_what_is_no_object_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        read_study_record(written(tmp_path, text))


def test_what_is_not_declared_has_the_defaults(tmp_path: Path) -> None:
    assert read_study(tmp_path) == StudyRecord()
    assert declared_options(StudyRecord()) == {}
    written(tmp_path, json.dumps(FIELDS))
    declared = DeclaredAnalysis(**declared_options(read_study(tmp_path / "judgments.csv")))
    assert (declared.alpha, declared.margin, declared.correction) == (0.01, 0.05, "holm")
    assert declared.rules == {"max_failed_catch": 1, "rt_tukey_factor": 1.5}
