"""The targets: maps, figures, inference, quality, report, and the selection of these in `outputs`.

Each is a list of files, as patterns of :mod:`firstlevel.names` with their labels filled in. Standard library.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator

from firstlevel import names
from firstlevel.plan.model import Model
from firstlevel.plan.runs import Run
from firstlevel.plan.study import Study, Unit

OF_RUN = ("events", "design", "motion", "carpet", "tsnr", "rsquared", "correlation", "residuals")
"""Figures of a run, whatever the model."""
OF_LEARNT_NOISE = ("noise",)
"""Figures of a run whose noise is learnt, beside these."""
METHODS = ("uncorrected", "fdr", "bonferroni", "tdp")
"""Ways to threshold a z map, each with a figure."""
OF_CONTRAST = ("zmap", *(f"desc-{method}_zmap" for method in METHODS), "zhistogram")
"""Figures of a contrast, beside its viewer."""


class Targets:
    """Files by what users ask for.

    Parameters
    ----------
    testable : gives the labels of the contrasts that the events of a run allow.
    has_trials : whether the events of a run hold single trials to be fitted.
    """

    def __init__(
        self,
        study: Study,
        model: Model,
        testable: Callable[[Run], list[str]],
        has_trials: Callable[[Run], bool] = lambda run: False,
    ) -> None:
        self._study, self._model = study, model
        self._testable, self._has_trials = functools.cache(testable), functools.cache(has_trials)

    def of(self, units: Iterable[Unit], *patterns: str) -> list[str]:
        """Files of some units, one per run or contrast where the pattern names one."""
        files = []
        for unit, pattern in itertools.product(units, patterns):
            if "{run}" in pattern:
                files += [pattern.format(**run.wildcards) for run in unit.runs]
            else:
                labels = self._model.contrasts if "{contrast}" in pattern else [""]
                files += [pattern.format(**unit.wildcards, contrast=label) for label in labels]
        return files

    @property
    def contrast_figures(self) -> list[str]:
        """Patterns of the figures of a contrast."""
        each_run = [names.EACH_RUN] if self._model.run.has_maps else []
        return [*map(names.contrast_figure, OF_CONTRAST), *each_run]

    def runs_of(self, unit: Unit, contrast: str) -> list[Run]:
        """Runs of a unit that have maps of a contrast of their own: those whose events allow it."""
        runs = unit.runs if self._model.run.has_maps else []
        return [run for run in runs if contrast in self._testable(run)]

    def z_of_runs(self, unit: Unit, contrast: str) -> list[str]:
        """Z map of a contrast in each of :meth:`runs_of` a unit."""
        pattern = names.of_run(names.map_of("z"))
        return [pattern.format(**run.wildcards, contrast=contrast) for run in self.runs_of(unit, contrast)]

    def _of_all(self, *patterns: str) -> list[str]:
        return self.of(self._study.units.values(), *patterns)

    def z_maps(self) -> dict[str, list[str]]:
        """The z map of every contrast, by the label of its unit."""
        return {label: self.of([unit], names.map_of("z")) for label, unit in self._study.units.items()}

    def _of_runs(self) -> Iterator[str]:
        """The z maps of single runs, for the contrasts that their events allow."""
        pattern = names.of_run(names.map_of("z"))
        for run in self._study.runs:
            for contrast in self._testable(run):
                yield pattern.format(**run.wildcards, contrast=contrast)

    @property
    def maps(self) -> list[str]:
        """Maps of all contrasts, the lists of them, what describes them."""
        of_runs = self._of_runs() if self._model.run.has_maps else ()
        return [
            names.DESCRIPTION,
            names.MODEL,
            *self._of_all(names.map_of("z")),
            *of_runs,
            *self._of_all(names.CONTRASTS),
            names.MAPS,
        ]

    def trials_of(self, units: Iterable[Unit], *patterns: str) -> list[str]:
        """Files of the single trials of some units, one per run that has some."""
        runs = [run for unit in units for run in unit.runs if self._has_trials(run)]
        return [pattern.format(**run.wildcards) for pattern in patterns for run in runs]

    @property
    def trials(self) -> list[str]:
        """Maps of single trials, and what they are of; none where the config asks for none."""
        return self.trials_of(self._study.units.values(), names.TRIAL_BETA)

    @property
    def figures(self) -> list[str]:
        """All pictures: of each contrast, with its viewer, and of each run."""
        return self._of_all(
            *self.contrast_figures,
            names.contrast_figure("viewer", ".html"),
            *self.run_figures,
        )

    @property
    def run_figures(self) -> list[str]:
        """Patterns of the figures of a run."""
        kinds = (*OF_RUN, *(OF_LEARNT_NOISE if self._model.run.learns_noise else ()))
        return [names.run_figure(kind) for kind in kinds]

    @property
    def inference(self) -> list[str]:
        """Thresholded maps and tables of clusters."""
        return self._of_all(names.THRESHOLDS)

    @property
    def quality(self) -> list[str]:
        """Measures of quality and the verdicts on them."""
        return self._of_all(names.QUALITY)

    @property
    def report(self) -> list[str]:
        """The page of the study and those of the subjects, with all figures.

        All of them, since Snakemake makes no missing file that only a finished one needs: the page of a study
        in which something failed is there before those of its subjects.
        """
        return [*self.figures, *self.pages, names.STUDY_PAGE]

    @property
    def pages(self) -> list[str]:
        """The page of each subject."""
        return [names.PAGE.format(subject=subject) for subject in self._study.of_subject]

    def chosen(self, outputs: list[str]) -> list[str]:
        """Files of several targets, each once, and single trials."""
        return list(dict.fromkeys(file for name in [*outputs, "trials"] for file in getattr(self, name)))
