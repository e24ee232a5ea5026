"""A page with scatter plots that any browser opens: inline SVG, no scripts, no other files."""

import html
from collections.abc import Sequence

import numpy as np

from nodes.analysis.comparison import Comparison

__all__ = ["parity_page"]

_SIZE, _MARGIN = 420, 60  # of a panel and of the room for its axis labels, in pixels

_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem; color: #222; background: #fff }
table { border-collapse: collapse; margin: 1rem 0 }
td, th { padding: .2rem .9rem; text-align: right; border-bottom: 1px solid #ccc }
svg { margin-right: 1rem; font: 12px system-ui, sans-serif }
circle { fill: #2a6fbb; fill-opacity: .45 }
circle:hover { fill: #d1495b; fill-opacity: 1; stroke: #222 }
line, rect { stroke: #999; fill: none }
"""


def parity_page(
    comparisons: Sequence[Comparison], shown: Sequence[np.ndarray], *, title: str
) -> str:
    """Return the text of a page with one panel per property.

    Hovering over a point shows the row of its structure and its values.

    Parameters
    ----------
    comparisons : what to draw
    shown : for each comparison the rows of the values to draw, shape (n_shown,)
    title : headline of the page
    """
    from nodes.numerics.statistics import mae, rmse

    table = "".join(
        f"<tr><td>{one.name}</td><td>{one.unit}</td>"
        f"<td>{mae(one.reference, one.predicted):.4g}</td>"
        f"<td>{rmse(one.reference, one.predicted):.4g}</td><td>{len(one.frame)}</td></tr>"
        for one in comparisons
    )
    panels = "".join(_panel(one, rows) for one, rows in zip(comparisons, shown, strict=True))
    headline = html.escape(title)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{headline}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{headline}</h1>"
        "<table><tr><th>property</th><th>unit</th><th>MAE</th><th>RMSE</th><th>values</th></tr>"
        f"{table}</table>{panels}"
        "<p>Each point is one value; rest the pointer on it to see the row of its structure.</p>"
        "</body></html>\n"
    )


def _panel(one: Comparison, rows: np.ndarray) -> str:
    """Return one scatter plot of predicted against reference values as SVG."""
    values = np.concatenate([one.reference[rows], one.predicted[rows]])
    low, high = float(values.min()), float(values.max())
    pad = 0.03 * (high - low) or 1e-6 * (1.0 + abs(high))
    low, span = low - pad, high - low + 2.0 * pad
    edge, inner = _MARGIN, _SIZE - 2 * _MARGIN

    def pixel(value: np.ndarray | float) -> np.ndarray:
        return np.round(edge + inner * (np.asarray(value) - low) / span, 2)

    points = "".join(
        f'<circle r="2.5" cx="{x}" cy="{y}"><title>structure {frame}: reference {a:.6g}, '
        f"predicted {b:.6g} {one.unit}</title></circle>"
        for x, y, frame, a, b in zip(
            pixel(one.reference[rows]),
            _SIZE - pixel(one.predicted[rows]),
            one.frame[rows],
            one.reference[rows],
            one.predicted[rows],
            strict=True,
        )
    )
    ticks = "".join(
        f'<text x="{x}" y="{_SIZE - edge + 18}" text-anchor="middle">{tick:.5g}</text>'
        f'<text x="{edge - 6}" y="{_SIZE - x + 4}" text-anchor="end">{tick:.5g}</text>'
        for tick in np.linspace(low + pad, low + span - pad, 4)
        for x in [pixel(tick)]
    )
    return (
        f'<svg width="{_SIZE}" height="{_SIZE}" viewBox="0 0 {_SIZE} {_SIZE}">'
        f'<rect x="{edge}" y="{edge}" width="{inner}" height="{inner}"/>'
        f'<line x1="{edge}" y1="{_SIZE - edge}" x2="{_SIZE - edge}" y2="{edge}"/>'
        f"{ticks}{points}"
        f'<text x="{_SIZE / 2}" y="{_SIZE - 14}" text-anchor="middle">'
        f"reference {one.name} ({one.unit})</text>"
        f'<text x="{_SIZE / 2}" y="{edge - 14}" text-anchor="middle">'
        f"predicted {one.name} ({one.unit})</text></svg>"
    )
