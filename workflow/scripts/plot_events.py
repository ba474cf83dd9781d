"""Show when what happened in a run: one row per trial type, time in seconds from the first scan."""

import warnings
from pathlib import Path

from firstlevel import stage, texts
from firstlevel.io import event_table
from firstlevel.plotting import figures


def plot_events(*, events: Path, figure: Path, title: str) -> None:
    """Draw each event from onset to end, at least as a thin line."""
    import pandas as pd
    from matplotlib import pyplot as plt
    from matplotlib.colors import ListedColormap
    from nilearn.plotting import plot_event

    rows = event_table.read_events(events, needed=False)
    table = pd.DataFrame(
        [(row.onset, row.duration, row.trial_type) for row in rows], columns=list(event_table.EVENT_COLUMNS)
    )
    trial_types = sorted(table["trial_type"].unique(), reverse=True)  # rows are drawn from below
    n_rows = max(len(trial_types), 1)
    size = (12, 1.4 + 0.34 * n_rows)
    if rows:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*null duration", category=UserWarning)
            picture = plot_event(
                [table[table["trial_type"] == name] for name in trial_types],
                cmap=ListedColormap([figures.COLOURS[i % len(figures.COLOURS)] for i in range(n_rows)]),
                figsize=size,
            )
        picture.axes[0].get_legend().remove()  # the rows bear the names
    else:
        picture, _ = plt.subplots(figsize=size)
    axes = picture.axes[0]
    for event in axes.patches:
        event.set(edgecolor=event.get_facecolor(), linewidth=1.0)
    counts = table["trial_type"].value_counts()
    axes.set_yticks(
        [row + 0.5 for row in range(n_rows)],
        [f"{texts.shortened(name, figures.LABEL)}  ({counts[name]})" for name in trial_types]
        or ["no events"],
        parse_math=False,
    )
    axes.tick_params(axis="y", length=0, labelsize=11)
    axes.tick_params(axis="x", labelsize=11)
    first, last = min([0.0, *table["onset"]]), max(table["onset"] + table["duration"], default=0.0)
    margin = 0.01 * (last - first) or 1.0
    axes.set_xlim(first - margin, last + margin)
    axes.set_xlabel("time (s)", fontsize=12)
    axes.set_ylabel("")
    axes.spines[["top", "left", "right"]].set_visible(False)
    axes.set_title(title, loc="left", fontsize=14, pad=10, parse_math=False)
    figures.save(picture, figure)


if __name__ == "__main__":
    stage.run(plot_events, globals().get("snakemake"))
