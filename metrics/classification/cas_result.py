"""What a classification accuracy score is: two accuracies with what they rest on."""

from __future__ import annotations

from dataclasses import dataclass

TOP = 5


@dataclass(frozen=True)
class CasResult:
    """The accuracy on real test images of a classifier trained on one set."""

    name: str
    top1: float
    top1_interval: tuple[float, float]
    top5: float
    top5_interval: tuple[float, float]
    trained_on: int
    tested_on: int
    train_digest: str
    test_digest: str

    def top(self, k: int) -> float:
        """Return the accuracy at the `k` most probable classes, 1 or 5: a share from 0 to 1."""
        return self.top1 if k == 1 else self.top5

    def interval(self, k: int) -> tuple[float, float]:
        """Return the 95 % Wilson interval of `top`."""
        return self.top1_interval if k == 1 else self.top5_interval
