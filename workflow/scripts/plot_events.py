"""Show when what happened in a run: one row per trial type, time in seconds from the first scan."""

import warnings
from pathlib import Path

from firstlevel import stage, texts
from firstlevel.io import event_table
from firstlevel.plotting import figures


def plot_events(*, events: Path, figure: Path, title: str) -> None:
    """Draw each event from onset to end, at least as a thin line."""
    import pandas as pd
    from matplotlib.colors import ListedColormap
    from nilearn.plotting import plot_event

    found = event_table.read_events(events, needed=False)
    shown = found or [event_table.Event(0.0, 0.0, "no events")]
    table = pd.DataFrame(
        [(row.onset, row.duration, row.trial_type) for row in shown], columns=list(event_table.EVENT_COLUMNS)
    )
    trial_types = sorted(table["trial_type"].unique(), reverse=True)  # rows are drawn from below
    n_types = len(trial_types)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*null duration", category=UserWarning)
        picture = plot_event(
            [table[table["trial_type"] == name] for name in trial_types],
            cmap=ListedColormap([figures.COLOURS[i % len(figures.COLOURS)] for i in range(n_types)]),
            figsize=(12, 1.4 + 0.34 * n_types),
        )
    axes = picture.axes[0]
    for event in axes.patches:
        event.set(edgecolor=event.get_facecolor(), linewidth=1.0, visible=bool(found))
    axes.get_legend().remove()  # the rows bear the names
    counts = table["trial_type"].value_counts()
    axes.set_yticks(
        [row + 0.5 for row in range(n_types)],
        [f"{texts.shortened(name, figures.LABEL)}  ({counts[name] if found else 0})" for name in trial_types],
        parse_math=False,
    )
    axes.tick_params(axis="y", length=0, labelsize=11)
    axes.tick_params(axis="x", labelsize=11)
    first, last = min(0.0, table["onset"].min()), (table["onset"] + table["duration"]).max()
    margin = 0.01 * (last - first) or 1.0
    axes.set_xlim(first - margin, last + margin)
    axes.set_xlabel("time (s)", fontsize=12)
    axes.set_ylabel("")
    axes.spines[["top", "left", "right"]].set_visible(False)
    axes.set_title(title, loc="left", fontsize=14, pad=10, parse_math=False)
    figures.save(picture, figure)


if __name__ == "__main__":
    stage.run(plot_events, globals().get("snakemake"))
