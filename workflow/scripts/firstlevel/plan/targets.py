"""What can be asked for: maps, figures, inference, quality, the report, and what `outputs` chooses of these.

Each is a list of files, as patterns of :mod:`firstlevel.names` with their labels filled in. Standard library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from firstlevel import names
from firstlevel.plan.model import Model
from firstlevel.plan.runs import Run
from firstlevel.plan.study import Study

OF_RUN = ("events", "design", "motion", "carpet", "tsnr", "rsquared", "correlation", "residuals")
"""Figures of a run."""
OF_CONTRAST = ("zmap", "thresholds", "zhistogram")
"""Figures of a contrast, beside its viewer."""


class Targets:
    """Files by what users ask for.

    Parameters
    ----------
    testable : gives the labels of the contrasts that the events of a run allow.
    """

    def __init__(self, study: Study, model: Model, testable: Callable[[Run], list[str]]) -> None:
        self._study, self._model, self._testable = study, model, testable

    def _of_contrasts(self, *patterns: str) -> Iterator[str]:
        for unit in self._study.units.values():
            for contrast in self._model.contrasts:
                for pattern in patterns:
                    yield pattern.format(**unit.wildcards, contrast=contrast)

    def _of_units(self, *patterns: str) -> Iterator[str]:
        for unit in self._study.units.values():
            for pattern in patterns:
                yield pattern.format(**unit.wildcards)

    def z_maps(self) -> dict[str, list[str]]:
        """The z map of every contrast, by the label of its unit."""
        pattern = names.map_of("z")
        return {
            label: [pattern.format(**unit.wildcards, contrast=contrast) for contrast in self._model.contrasts]
            for label, unit in self._study.units.items()
        }

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
            *self._of_contrasts(names.map_of("z")),
            *of_runs,
            *self._of_units(names.CONTRASTS),
            names.MAPS,
        ]

    @property
    def figures(self) -> list[str]:
        """All pictures: of each contrast, with its viewer, and of each run."""
        of_contrast = [names.contrast_figure(kind) for kind in OF_CONTRAST]
        return [
            *self._of_contrasts(*of_contrast, names.contrast_figure("viewer", ".html")),
            *(names.run_figure(kind).format(**run.wildcards) for run in self._study.runs for kind in OF_RUN),
        ]

    @property
    def inference(self) -> list[str]:
        """Thresholded maps and tables of clusters."""
        return [*self._of_contrasts(names.THRESHOLDS)]

    @property
    def quality(self) -> list[str]:
        """Measures of quality and the verdicts on them."""
        return [*self._of_units(names.QUALITY)]

    @property
    def report(self) -> list[str]:
        """The page of the study and those of the subjects, with all figures.

        All of them, since Snakemake makes no missing file that only a finished one needs: the page of a study
        in which something failed is there before those of its subjects.
        """
        pages = [names.PAGE.format(subject=subject) for subject in self._study.of_subject]
        return [*self.figures, *pages, names.STUDY_PAGE]

    def chosen(self, outputs: list[str]) -> list[str]:
        """Files of several targets, each once."""
        return list(dict.fromkeys(file for name in outputs for file in getattr(self, name)))
