"""The picture: written, nothing cut off at its edges, however few or bad the cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from communitylm.evaluation.heatmap import draw
from communitylm.evaluation.matrix import Matrix

SHIPPED = tuple(
    f"{register}-{side}" for register in ("press", "speech") for side in ("left", "right", "center")
) + tuple(
    f"culture-{place}" for place in ("africa", "asia", "europe", "north-america", "oceania", "south-america")
)


def matrix(texts: tuple[str, ...], worst: float = 29.0) -> Matrix:
    """Base 30, own adapter 20, the others from 22 up to `worst`."""
    models = ("base", *texts)
    table = {
        text: {
            model: 30.0 if model == "base" else 20.0 if model == text else value
            for model, value in zip(models, np.linspace(22, worst, len(models)).tolist(), strict=True)
        }
        for text in texts
    }
    return Matrix(texts, models, table, dict.fromkeys(texts, 4000), dict.fromkeys(texts, 40), {}, {}, {})


@pytest.mark.parametrize("texts", [SHIPPED[:1], SHIPPED[:2], SHIPPED])
@pytest.mark.parametrize("worst", [29.0, 300.0])
def test_a_picture_with_white_edges(tmp_path: Path, texts: tuple[str, ...], worst: float) -> None:
    from matplotlib import pyplot

    path = tmp_path / "new" / "m.png"
    draw(matrix(texts, worst), path, "Some-Base-135M-Instruct")
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    pixels = pyplot.imread(path)[..., :3]
    assert pixels.min() < 0.3  # something is drawn
    edges = (pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:])
    assert all(edge.min() == 1.0 for edge in edges), "title, labels or colour bar are cut off"
    assert pyplot.get_fignums() == []


def test_equal_models_make_a_picture_too(tmp_path: Path) -> None:
    same = Matrix(("a",), ("base", "a"), {"a": {"base": 9.0, "a": 9.0}}, {"a": 1}, {"a": 1}, {"a": 1}, {}, {})
    draw(same, tmp_path / "m.png", "Some-Base")
    assert (tmp_path / "m.png").stat().st_size > 5_000
