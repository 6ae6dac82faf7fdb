"""A report: one HTML file about one or several runs, with nothing to load from elsewhere.

    RunView… ──sections──> Block… ──page──> HTML
                  └ plots (SVG), published figures, analyses

    markup, svg      text that is safe in HTML; axes and marks
    plots            dot plots, bars and stacked bars as drawings
    measures         what the metrics are called, their unit and which way is better
    published        the paper's figures with their sources
    views            a run as the sections read it
    analyses         what is computed across samples or runs beyond the summaries
    blocks, page     what a report consists of, and its rendering

Texts of files (questions, options, countries, model names) are escaped where markup is made and nowhere else. The same
runs give the same bytes: nothing depends on the time, the folder's place or an order of hashing.
"""

from __future__ import annotations

from pluralism_local.evaluation.report.page import render
from pluralism_local.evaluation.report.views import RunView

__all__ = ["RunView", "render"]
