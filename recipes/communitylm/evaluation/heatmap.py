"""The matrix as a picture: colour is perplexity relative to the base of the same text, so that rows compare."""

from __future__ import annotations

from pathlib import Path

from communitylm.evaluation.matrix import BASE, Matrix

WIDTH, HEIGHT = 7.6, 3.8
"""Inches at least: title and colour bar need them, however few the cells."""

WORST = 1.25
"""Ratios above are drawn alike, so that one broken adapter does not wash out the rest."""


def draw(matrix: Matrix, path: Path, base: str) -> None:
    """Write a PNG; the own adapter of each text is framed, the best model of each text bold."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows, columns = len(matrix.texts), len(matrix.models)
    ratios = [
        [matrix.perplexity[text][model] / matrix.perplexity[text][BASE] for model in matrix.models]
        for text in matrix.texts
    ]
    size = max(WIDTH, 3.4 + 0.72 * columns), max(HEIGHT, 2.4 + 0.42 * rows)
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    low, high = min(map(min, ratios)), max(map(max, ratios))
    top = min(max(1.0, high), WORST)
    picture = axes.imshow(ratios, cmap="viridis", aspect="auto", vmin=min(low, top), vmax=top)
    middle = (low + top) / 2
    for i, text in enumerate(matrix.texts):
        best = min(matrix.models, key=lambda model: matrix.perplexity[text][model])
        for j, model in enumerate(matrix.models):
            axes.text(
                j,
                i,
                _short(matrix.perplexity[text][model]),
                ha="center",
                va="center",
                fontsize=8.5,
                color="black" if ratios[i][j] > middle else "white",
                fontweight="bold" if model == best else "normal",
            )
            if model == text:
                axes.add_patch(
                    plt.Rectangle((j - 0.48, i - 0.46), 0.96, 0.92, fill=False, color="red", lw=1.6)
                )
    axes.set_xticks(range(columns), matrix.models, rotation=40, ha="right")
    axes.set_yticks(range(rows), matrix.texts)
    axes.set_xlabel("model: the base, or the base with a community's adapter")
    axes.set_ylabel("held-out text of")
    total = sum(matrix.tokens.values())
    axes.set_title(
        f"Perplexity of held-out text on {base}\n"
        f"{total:,} tokens; lower is better; framed: own adapter, bold: best of the row",
        fontsize=10,
    )
    figure.colorbar(
        picture, label="ratio to the base's perplexity", extend="max" if high > top else "neither"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _short(perplexity: float) -> str:
    """Close models stay apart where there is room for it."""
    return f"{perplexity:.2f}" if perplexity < 100 else f"{perplexity:.0f}"
