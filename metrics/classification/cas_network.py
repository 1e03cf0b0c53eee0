"""The classifiers that CAS trains."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

# Of the small network: the channels of its four stages, one residual block each.
WIDTHS = (32, 64, 128, 256)

# Of the large one: the blocks of its four stages, and how many times a block widens at its end.
DEPTHS = (3, 4, 6, 3)
EXPANSION = 4


def build(name: str, classes: int) -> nn.Module:
    """Return an untrained classifier: ``resnet50`` or ``resnet10``, the small one.

    ResNet-50 is torchvision's version (He et al. 2016, with the stride in the 3x3 convolutions),
    down to the names and first values of its weights. The small one is for images of 32 to 64
    pixels: a 3x3 stem and four blocks of two 3x3 convolutions with 32, 64, 128 and 256 channels,
    1.2 million weights (He et al. 2016).
    """
    if name == "resnet10":
        return SmallResNet(classes)
    return ResNet50(classes)


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


class ResNet50(nn.Module):
    """The residual network of fifty layers, for images of 64 pixels and more."""

    def __init__(self, classes: int) -> None:
        """Take the number of classes."""
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = 64
        for stage, depth in enumerate(DEPTHS):
            width, blocks = 64 * 2**stage, []
            for number in range(depth):
                stride = 2 if stage and number == 0 else 1
                blocks.append(_Bottleneck(channels, width, stride))
                channels = width * EXPANSION
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits ``(N, classes)`` of images ``(N, 3, S, S)`` in -1..1."""
        x = self.maxpool(functional.relu(self.bn1(self.conv1(x))))
        for stage in range(len(DEPTHS)):
            x = self.get_submodule(f"layer{stage + 1}")(x)
        pooled = functional.adaptive_avg_pool2d(x, 1).flatten(1)
        logits: Tensor = self.fc(pooled)
        return logits


class _Bottleneck(nn.Module):
    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        wide = width * EXPANSION
        # Made before the convolutions and named after them, as torchvision does: the first values
        # of a seed and the order of the weights are then the same.
        skip = None if stride == 1 and channels == wide else _conv(channels, wide, stride, kernel=1)
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, wide, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(wide)
        self.downsample = skip

    def forward(self, x: Tensor) -> Tensor:
        inner = functional.relu(self.bn1(self.conv1(x)))
        inner = self.bn3(self.conv3(functional.relu(self.bn2(self.conv2(inner)))))
        same = x if self.downsample is None else self.downsample(x)
        return functional.relu(inner + same)
