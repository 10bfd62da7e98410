"""The recipes of docs/clients.md run as printed, on a small model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

pytestmark = [pytest.mark.clients, pytest.mark.filterwarnings("ignore")]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "clients.md"
RECIPES = re.findall(r"^```py\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)


def names() -> dict[str, Any]:
    """What the recipes take for granted."""
    torch.manual_seed(0)
    x, y = torch.randn(8, 2, 6, 6), torch.randint(3, (8,))
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, groups=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(4 * 6 * 6, 3),
    )
    return {
        "x": x,
        "y": y,
        "model": model,
        "params": list(model.parameters()),
        "loss": nn.CrossEntropyLoss(),
        "criterion": nn.CrossEntropyLoss(),
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
        "data": [(x, y)],
        "loader": DataLoader(TensorDataset(x, y), batch_size=4),
    }


def test_every_client_has_a_recipe() -> None:
    assert len(RECIPES) == 4


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda text: text.split()[1])
def test_a_recipe_runs(recipe: str) -> None:
    known = names()
    exec(compile(recipe, str(PAGE), "exec"), known)
    if "PrivacyEngine" in recipe:  # a step of training, clipped by norms
        known["optimizer"].zero_grad()
        known["criterion"](known["model"](known["x"]), known["y"]).backward()
        known["optimizer"].step()
