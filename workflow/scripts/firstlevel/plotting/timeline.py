"""Events of a run over time: one row per trial type, in seconds from the first scan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from firstlevel import texts
from firstlevel.io.event_table import Event
from firstlevel.plotting import drawing, figures
from firstlevel.plotting.drawing import Figure

HIGH = 0.8
"""Of a row, taken by the bars of its events."""


def draw(events: Sequence[Event], title: str) -> Figure:
    """Draw each event from onset to end, at least as a thin line."""
    counts = Counter(row.trial_type for row in events)
    trial_types = sorted(counts, reverse=True)  # rows are drawn from below
    n_rows = max(len(trial_types), 1)
    picture = drawing.figure(12, 1.4 + 0.34 * n_rows)
    axes = picture.add_subplot()
    for number, name in enumerate(trial_types):
        colour = figures.COLOURS[(n_rows - 1 - number) % len(figures.COLOURS)]
        spans = [(row.onset, row.duration) for row in events if row.trial_type == name]
        axes.broken_barh(
            spans, (number + (1 - HIGH) / 2, HIGH), facecolor=colour, edgecolor=colour, linewidth=1.0
        )
    axes.set_ylim(0, n_rows)
    axes.set_yticks(
        [row + 0.5 for row in range(n_rows)],
        [f"{texts.shortened(name, figures.LABEL)}  ({counts[name]})" for name in trial_types]
        or ["no events"],
        parse_math=False,
    )
    axes.tick_params(axis="y", length=0, labelsize=11)
    axes.tick_params(axis="x", labelsize=11)
    first = min([0.0, *(row.onset for row in events)])
    last = max((row.onset + row.duration for row in events), default=0.0)
    margin = 0.01 * (last - first) or 1.0
    axes.set_xlim(first - margin, last + margin)
    axes.set_xlabel("time (s)", fontsize=12)
    axes.spines[["top", "left", "right"]].set_visible(False)
    axes.set_title(title, loc="left", fontsize=14, pad=10, parse_math=False)
    return picture
