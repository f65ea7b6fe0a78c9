# SPDX-License-Identifier: MIT
"""A plot of bars as SVG, with text as text, for light and for dark screens."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Pixels.
_LABELS = 190
_BARS = 260
_VALUES = 62
_GAP = 24
_ROW = 20
_BAR = 13
_HEADING = 26
_SPACE = 14
_TOP = 40
_MARGIN = 20

_STYLE = """\
.background { fill: #ffffff } text { fill: #1f2328; font: 13px system-ui, sans-serif }
.heading { font-weight: 600 } .value { font-size: 12px } .failed { font-size: 12px; font-style: italic }
.bar { fill: #8c959f } .bar.ours { fill: #0969da } .base { stroke: #1f2328; stroke-dasharray: 3 3 }
@media (prefers-color-scheme: dark) {
.background { fill: #0d1117 } text { fill: #e6edf3 } .bar { fill: #6e7681 } .bar.ours { fill: #4493f8 }
.base { stroke: #e6edf3 }
}"""


@dataclass(frozen=True)
class Bar:
    """A value, or why there is none.

    Attributes:
        value: in the units of its column; None if there is none.
        text: what stands beside it.

    """

    value: float | None
    text: str


@dataclass(frozen=True)
class Column:
    """Bars of one kind, one beside each label of each group.

    Attributes:
        title: what they show, with the unit.
        bars: one list a group, as long as the group's labels.
        base: a value that gets a line of its own; None for none.

    """

    title: str
    bars: Sequence[Sequence[Bar]]
    base: float | None = None


def draw(title: str, groups: Sequence[tuple[str, Sequence[str]]], columns: Sequence[Column], highlighted: str) -> str:
    """Return the SVG of horizontal bars. All bars of a group and a column have one scale, from 0.

    Args:
        title: for those who do not see the plot.
        groups: headings, each with the labels of its rows.
        columns: side by side.
        highlighted: the label whose bars stand out.

    """
    width = 2 * _MARGIN + _LABELS + len(columns) * (_BARS + _VALUES) + (len(columns) - 1) * _GAP
    shapes, top = [], _TOP
    shapes += [_text(_left(number), _TOP - 14, column.title, "heading") for number, column in enumerate(columns)]
    for group, (heading, labels) in enumerate(groups):
        shapes.append(_text(_MARGIN, top + 18, heading, "heading"))
        top += _HEADING
        shapes += [
            _text(
                _MARGIN + _LABELS - 10, top + row * _ROW + _BAR, label, "heading" if label == highlighted else "", "end"
            )
            for row, label in enumerate(labels)
        ]
        own = [label == highlighted for label in labels]
        for number, column in enumerate(columns):
            shapes += _draw_bars(column.bars[group], own, _left(number), top, column.base)
        top += len(labels) * _ROW + _SPACE
    height = top + _MARGIN
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            'role="img" aria-labelledby="title description">'
        ),
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="description">{escape(_describe(groups, columns))}</desc>',
        f"<style>\n{_STYLE}\n</style>",
        f'<rect class="background" width="{width}" height="{height}"/>',
        *shapes,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _left(number: int) -> int:
    """Return where the bars of a column begin."""
    return _MARGIN + _LABELS + number * (_BARS + _VALUES + _GAP)


def _draw_bars(bars: Sequence[Bar], own: Sequence[bool], left: int, top: int, base: float | None) -> list[str]:
    largest = max((bar.value for bar in bars if bar.value is not None), default=0)
    scale = _BARS / max(largest, base or 0, 1e-9)
    line = None if base is None else round(left + base * scale)
    shapes = []
    for row, bar in enumerate(bars):
        y = top + row * _ROW
        if bar.value is None:
            shapes.append(_text(left + 4, y + _BAR, bar.text, "failed"))
            continue
        length, kind = bar.value * scale, "bar ours" if own[row] else "bar"
        shapes.append(f'<rect class="{kind}" x="{left}" y="{y + 2}" width="{length:.1f}" height="{_BAR}"/>')
        # The line does not go through a text.
        end = round(left + length)
        text = line if line is not None and end <= line <= end + _VALUES else end
        shapes.append(_text(text + 5, y + _BAR, bar.text, "value"))
    if line is not None:
        bottom = top + len(bars) * _ROW - 2
        shapes.append(f'<line class="base" x1="{line}" x2="{line}" y1="{top - 2}" y2="{bottom}"/>')
    return shapes


def _text(x: int, y: int, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _describe(groups: Sequence[tuple[str, Sequence[str]]], columns: Sequence[Column]) -> str:
    """Return all values in words."""
    return " ".join(
        f"{heading}, {column.title}: "
        + "; ".join(f"{label} {bar.text}" for label, bar in zip(labels, column.bars[group], strict=True))
        + "."
        for group, (heading, labels) in enumerate(groups)
        for column in columns
    )
