"""Networks of the right input and output sizes."""

from torch import nn


def resnet18(num_classes: int) -> nn.Module:
    """A linear layer on an image of 7 by 7."""
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 7 * 7, num_classes))
