"""The matrix as a picture: colour is perplexity relative to the base of the same text, so that rows compare."""

from __future__ import annotations

from pathlib import Path

from communitylm.matrix import BASE, Matrix


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
    figure, axes = plt.subplots(figsize=(2.6 + 0.72 * columns, 2.2 + 0.42 * rows), layout="constrained")
    picture = axes.imshow(ratios, cmap="viridis", aspect="auto", vmax=1.0)
    middle = (1.0 + min(map(min, ratios))) / 2
    for i, text in enumerate(matrix.texts):
        best = min(matrix.models, key=lambda model: matrix.perplexity[text][model])
        for j, model in enumerate(matrix.models):
            axes.text(
                j,
                i,
                f"{matrix.perplexity[text][model]:.1f}",
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
        f"Perplexity on {base}, {total:,} tokens of speakers not trained on\n"
        "lower is better; framed: own adapter, bold: best of the row",
        fontsize=10,
    )
    figure.colorbar(picture, label="perplexity / perplexity of the base", shrink=0.8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)
