"""Accuracies of classifiers that were trained on generated images, as scores of those images."""

from __future__ import annotations

from collections.abc import Sequence

from metrics.classification.cas_config import CasConfig
from metrics.classification.cas_result import TOP, CasResult
from metrics.images.pairing import ImageFiles
from metrics.scores import Score, ScoreFile

CAS = "cas_top"  # what the names begin with
ELSEWHERE = {"test", "generated", "real", "precision"}  # told by the score's other fields


def as_scores(
    config: CasConfig, generated: ImageFiles, test: ImageFiles, results: Sequence[CasResult]
) -> ScoreFile:
    """Return ``cas_top1`` and ``cas_top5`` of the generated images, whose result comes first.

    Shares from 0 to 1 with the Wilson intervals over the test images. All that decides a training
    is among the settings, and so is the number of images that it saw: values are compared only
    where these agree. The ceiling, if it was measured, stands in a warning.
    """
    found, ceiling = results[0], results[1:]
    settings = config.model_dump(mode="json", exclude=ELSEWHERE)
    scores = tuple(
        Score(
            name=f"{CAS}{k}",
            value=found.top(k),
            direction="higher",
            unit="0..1",
            n=found.tested_on,
            low=found.interval(k)[0],
            high=found.interval(k)[1],
            precision=config.precision,
            reference_digest=found.test_digest,
            settings={**settings, "trained_on": found.trained_on},
            warnings=tuple(
                f"the same net reaches {real.top(k):.3f} after training on {real.trained_on} real "
                "images"
                for real in ceiling
            ),
        )
        for k in (1, TOP)
    )
    return ScoreFile(run=generated.scored, reference=test.scored, scores=scores)
