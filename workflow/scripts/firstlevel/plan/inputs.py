"""Input files of the stages by run and unit: the user's files and results of earlier stages.

Paths of results are patterns of :mod:`firstlevel.names` with their labels filled in. Standard library.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firstlevel import names
from firstlevel.io import event_sources, given_fsl
from firstlevel.plan import model, preprocessed
from firstlevel.plan.runs import Run, with_companions
from firstlevel.plan.study import Study, Unit
from firstlevel.stage import InputError


class Inputs:
    """Inputs of the stages of a study, from its checked config."""

    def __init__(self, config: Mapping[str, Any], study: Study, of_study: model.Model) -> None:
        self._config, self._study, self._model = config, study, of_study
        self.t1w = functools.cache(self._t1w)

    def bold(self, run: Run) -> tuple[str, ...]:
        """Images of a run as stages read them: resampled, or the user's own."""
        return (names.RESAMPLED.format(**run.wildcards),) if self._model.resamples else run.bold

    def events(self, run: Run) -> list[str]:
        """Events files of a run: one, or one per condition; none if the model needs none."""
        return [str(file) for file in event_sources.files(run.events)]

    def event_options(self, run: Run) -> dict[str, Any]:
        """Which rows of a run's events are taken, in which unit; a ready-made design needs none."""
        node = self._model.run
        rules = {**node.event_rules, "needed": False} if run.design else node.event_rules
        return {**node.events, "rules": rules, "onset_unit": run.onset_unit}

    def reference(self, run: Run) -> tuple[str, ...]:
        """First volume of the first run of a run's unit, whose grid is the reference."""
        return self._study.unit_of[run.label].runs[0].first

    def given_design(self, run: Run) -> list[str]:
        """Ready-made design of a run, with the files read beside it; none if it is made from events."""
        return [run.design, *map(str, given_fsl.beside(Path(run.design)))] if run.design else []

    def confounds(self, run: Run) -> list[str]:
        """Confounds table of a run, where the model asks for columns of it."""
        return model.confounds_of(self._config, run)

    def confounds_json(self, run: Run) -> list[str]:
        """JSON of fMRIPrep's confounds, which the strategies read."""
        if not (self._model.run.confounds["fmriprep"]["strategy"] and run.confounds) or run.design:
            return []
        path = Path(run.confounds).with_suffix(".json")
        return [str(path)] if path.is_file() else []

    def motion_table(self, run: Run) -> list[str]:
        """Confounds table of a run, if there is one: the source of motion if the affines have none."""
        return [run.confounds] if run.confounds and Path(run.confounds).is_file() else []

    def field_of_view(self, run: Run) -> list[str]:
        """Mask of the voxels that every volume of a run covers, if the analysis is restricted to it."""
        return [names.FIELD_OF_VIEW.format(**run.wildcards)] if self._model.is_masked else []

    def own_mask(self, unit: Unit) -> list[str | None]:
        """The user's mask, or those of the runs, where there are any."""
        mask = self._model.mask
        if mask == "epi":
            return []
        return [run.mask for run in unit.runs] if mask == "derivatives" else [*with_companions(mask)]

    def _t1w(self, unit: Unit) -> str | None:
        return preprocessed.t1w_of(self._config, unit.runs[0])

    def background(self, unit: Unit) -> list[str]:
        """Background of the maps of a unit: one image, or the means of its runs."""
        asked: str = self._config["figures"]["background"]
        if asked not in ("auto", "mean", "T1w"):
            return [asked]
        t1w = self.t1w(unit) if asked != "mean" else None
        if asked == "T1w" and not t1w:
            raise InputError(
                "config key figures.background",
                f"is T1w, and {unit.label} has no desc-preproc_T1w in the space of its runs",
                expected="the preprocessed T1w of each subject beside the runs",
                remedy="set it to auto, which takes the mean image where there is none",
            )
        return [t1w] if t1w else [names.MEAN_OF_RUN.format(**run.wildcards) for run in unit.runs]

    def is_over_t1w(self, unit: Unit) -> bool:
        """Whether maps of a unit are drawn over its preprocessed T1w."""
        return self._config["figures"]["background"] in ("auto", "T1w") and self.t1w(unit) is not None
