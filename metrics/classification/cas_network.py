"""The classifiers that CAS trains."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from metrics.networks.torchvision_import import cure

# Of the small network: the channels of its four stages, one residual block each.
WIDTHS = (32, 64, 128, 256)


def build(name: str, classes: int) -> nn.Module:
    """Return an untrained classifier: ``resnet50`` (torchvision's) or ``resnet10``, the small one.

    The small one is for images of 32 to 64 pixels: a 3x3 stem and four blocks of two 3x3
    convolutions with 32, 64, 128 and 256 channels, 1.2 million weights (He et al. 2016).
    """
    if name == "resnet10":
        return SmallResNet(classes)
    cure()
    from torchvision.models import resnet50

    net: nn.Module = resnet50(weights=None, num_classes=classes)
    return net


class SmallResNet(nn.Module):
    """A residual network of ten layers."""

    def __init__(self, classes: int) -> None:
        """Take the number of classes."""
        super().__init__()
        self.stem = _conv(3, WIDTHS[0], 1)
        blocks, channels = [], WIDTHS[0]
        for stage, width in enumerate(WIDTHS):
            blocks.append(_Block(channels, width, stride=1 if stage == 0 else 2))
            channels = width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits ``(N, classes)`` of images ``(N, 3, S, S)`` in -1..1."""
        features: Tensor = self.blocks(functional.relu(self.stem(x)))
        logits: Tensor = self.head(features.mean((2, 3)))
        return logits


class _Block(nn.Module):
    def __init__(self, channels: int, width: int, *, stride: int) -> None:
        super().__init__()
        self.first = _conv(channels, width, stride)
        self.second = _conv(width, width, 1)
        same = stride == 1 and channels == width
        self.skip = nn.Identity() if same else _conv(channels, width, stride, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.second(functional.relu(self.first(x)))
        result: Tensor = functional.relu(inner + self.skip(x))
        return result


def _conv(channels: int, width: int, stride: int, *, kernel: int = 3) -> nn.Sequential:
    conv = nn.Conv2d(channels, width, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(width))
