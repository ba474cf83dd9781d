"""The plan: one study, one model, and the questions that rules ask about them. Standard library."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from firstlevel import names
from firstlevel.io import table_writer
from firstlevel.plan import checks, preprocessed, provenance, runs, summary, trials
from firstlevel.plan import status as states_of
from firstlevel.plan.inputs import Inputs
from firstlevel.plan.model import Model
from firstlevel.plan.resources import Sizes
from firstlevel.plan.runs import Run
from firstlevel.plan.status import State
from firstlevel.plan.study import Study, Unit
from firstlevel.plan.targets import Targets
from firstlevel.stage import InputError


class Plan:
    """Study, model, inputs and targets.

    Parameters
    ----------
    config : checked, with all defaults filled in.
    results, logs : folders.

    Attributes
    ----------
    study, model : the runs, and what is computed of them.
    inputs : what stages read, run by run.
    targets : what can be asked for.
    sizes : MB of the runs.
    """

    def __init__(self, config: Mapping[str, Any], study: Study, results: Path, logs: Path) -> None:
        self.config, self.study = config, study
        self.model = Model.of(config)
        self.inputs = Inputs(config, study, self.model)
        self.sizes = Sizes(study)
        self._turns = {subject: turn for turn, subject in enumerate(study.of_subject)}
        self.targets = Targets(study, self.model, self._testable, self._has_trials)
        self.results, self.logs = results, logs
        self.folders = provenance.folders(config)
        self._config_files = provenance.of_config(config)
        self._left_out: dict[str, list[list[str]]] = {}
        for one in study.left_out:
            if one.status == runs.LEFT_OUT and one.subject:
                told = [
                    provenance.left_out(one.path, self.folders),
                    provenance.relative(one.reason, self.folders),
                ]
                self._left_out.setdefault(one.subject, []).append(told)

    @property
    def outputs(self) -> list[str]:
        """Names of the targets that are made by default."""
        chosen: list[str] = self.config["outputs"]
        return chosen

    @property
    def simulation(self) -> dict[str, Any]:
        """What simulate_dataset takes."""
        study = self.config["study"]
        return {**study["simulated"], "repetition_time": study["repetition_time"]}

    @property
    def base_url(self) -> str:
        """Where fetch_dataset finds the archives."""
        return str(self.config["study"]["spm_multimodal"]["base_url"])

    @property
    def keeps_runs(self) -> bool:
        """Whether resampled runs stay when all that reads them is done."""
        return self.model.resamples and bool(self.config["resample"]["keep"])

    @property
    def figures(self) -> dict[str, Any]:
        """How z maps are drawn: the threshold, direction and places of the cuts."""
        own = {key: self.config["figures"][key] for key in ("threshold", "display_mode", "cut_coords")}
        return {"shown": self.config["inference"]["shown"], **own}

    @property
    def lags(self) -> int:
        """Lags of the test of whiteness, in volumes."""
        return int(self.config["quality"]["lags"])

    @property
    def limits(self) -> dict[str, float]:
        """Limits of the measures of quality."""
        return {name: limit for name, limit in self.config["quality"].items() if name != "lags"}

    def of_one_reading(self, **files: Any) -> dict[str, Any]:
        """Files of a run that the fit alone reads, by what a rule calls them; none where others read it."""
        return files if self.model.reads_once else {}

    def of_arma(self, **files: Any) -> dict[str, Any]:
        """Files of ARMA noise, by what a rule calls them; none with another model."""
        return files if self.model.run.has_arma_noise else {}

    def of_noise(self, **files: Any) -> dict[str, Any]:
        """Files of noise that is learnt, by what a rule calls them; none with a model that does not learn."""
        return files if self.model.run.learns_noise else {}

    def of_trials(self, files: dict[str, Any]) -> dict[str, Any]:
        """These files of the noise of the fit where single trials have the same; else none."""
        run = self.model.run
        return files if run.single_trials and run.single_trials["noise_model"] == run.noise_model else {}

    def title(self, wildcards: Any) -> str:
        """Title of a figure, from the wildcards of its name."""
        if hasattr(wildcards, "run"):
            return self.study.by_label[wildcards["run"]].title
        unit = self.study.units[wildcards["unit"]].title
        return f"{unit}: {self.model.contrasts[wildcards['contrast']].name}"

    def labels(self, wildcards: Any) -> dict[str, str]:
        """Columns of a figure in Snakemake's own report: subject, run or contrast."""
        if hasattr(wildcards, "run"):
            run = self.study.by_label[wildcards["run"]]
            of = {"subject": run.subject, "session": run.session, "task": run.task, "run": run.within_session}
        else:
            unit = self.study.units[wildcards["unit"]]
            of = {"subject": unit.subject, "session": unit.session, "task": unit.task}
            of["contrast"] = wildcards["contrast"]
        if not self.study.has_sessions:
            del of["session"]
        return {entity: label or "n/a" for entity, label in of.items()}

    def runs_of(self, wildcards: Any) -> Sequence[Run]:
        """Runs of a job: its own run, or all runs of its unit."""
        if hasattr(wildcards, "run"):
            return [self.study.by_label[wildcards.run]]
        return self.study.units[wildcards.unit].runs

    def turn(self, wildcards: Any) -> int:
        """Priority of a job on images: subjects take turns, so that few resampled runs are there at a time.

        Other jobs have 0. Those on images of the first subject come before its designs, since the longest way
        to a map begins with them; those of another subject after all that is ready of subjects before it.
        """
        return 1 - 2 * self._turns[wildcards.subject]

    def of_maps(self, pattern: str) -> list[str]:
        """One string per unit and t contrast, unit by unit."""
        return [
            pattern.format(**unit.wildcards, task=unit.task, contrast=label)
            for unit in self.study.units.values()
            for label in self.model.of_statistic("t")
        ]

    @functools.cached_property
    def preprocessed_by(self) -> list[str] | None:
        """Software that preprocessed the images, by name and version; None for raw images."""
        folder = preprocessed.folder_of(self.config)
        return None if folder is None else preprocessed.generated_by(folder)

    @functools.cached_property
    def public_config(self) -> dict[str, Any]:
        """The config as a page shows it: without folders of this machine and names of the user's own."""
        own = {key: value for key, value in self.config.items() if key != "pathvars"}
        return provenance.without_names(own, self.folders)

    def _testable(self, run: Run) -> list[str]:
        """Contrasts that the events of a run allow; none if the events are wrong (their own job says so)."""
        try:
            return checks.contrasts_of(self.config, run)
        except InputError:
            return []

    def _has_trials(self, run: Run) -> bool:
        """Whether a run has single trials to fit; so does one whose events are wrong, whose job says so."""
        try:
            return bool(trials.conditions_of(self.config, run))
        except InputError:
            return True

    def asked_trials(self) -> list[str]:
        """Maps of single trials; InputError where the config asks for none."""
        if self.model.run.single_trials is None:
            raise InputError(
                "config key design.single_trials",
                "is not set, so there are no single trials to fit",
                expected="model, lsa or lss, and conditions",
                remedy="set it, such as: design: {single_trials: {model: lss, conditions: [faces]}}",
            )
        return self.targets.trials

    def shown_units(self, subject: str) -> list[dict[str, Any]]:
        """Runs (by label) and contrasts of each unit on the page of a subject."""
        return [
            {
                "label": unit.label,
                "task": unit.task,
                "runs": [run.label for run in unit.runs],
                "titles": {label: ", ".join(one.rows) for label, one in self.model.contrasts.items()},
                "over_t1w": self.inputs.is_over_t1w(unit),
            }
            for unit in self.study.of_subject[subject]
        ]

    def left_out_of(self, subject: str) -> list[list[str]]:
        """Path and reason of files of a subject that make no run."""
        return self._left_out.get(subject, [])

    def reasons_left_out(self) -> list[list[Any]]:
        """Reasons to leave something out, each with how often and the first examples."""
        return [
            [
                provenance.relative(reason, self.folders),
                len(group),
                [
                    Path(provenance.left_out(one.path, self.folders)).name
                    for one in group[: summary.N_EXAMPLES]
                ],
            ]
            for reason, group in runs.grouped(self.study.left_out)
        ]

    def maps(self) -> dict[str, list[Path]]:
        """The z maps that each unit should have, by its label."""
        return {
            label: [names.below(self.results, file) for file in files]
            for label, files in self.targets.z_maps().items()
        }

    def announcement(self) -> list[str]:
        """Summary of the work to be done, in lines, before it starts."""
        table = names.below(self.results, names.RUNS)
        study = self.study
        return [
            summary.plan(study, self.maps(), self.config["study"]),
            *summary.replaced(table, study.runs, study.left_out, self.folders),
        ]

    def record(self, *, ended_well: bool) -> tuple[str, dict[str, State]]:
        """Write status and sources of every run; return a summary in lines, and the state of each unit."""
        state_of_unit = states_of.states(
            self.study, self.maps(), self.logs, self.model.contrasts, ended_well=ended_well
        )
        states = {
            label: self._public(self.study.units[label], state) for label, state in state_of_unit.items()
        }
        run_rows = summary.rows(self.study, states, self.folders)
        lines = summary.write(names.below(self.results, names.RUNS), run_rows, self.study.left_out)
        sidecars = {
            run.label: names.below(self.results, names.RESAMPLED_JSON, **run.wildcards)
            for run in self.study.runs
        }
        table_writer.write_table(
            names.below(self.results, names.SOURCES),
            provenance.COLUMNS,
            provenance.rows(self.study.runs, sidecars, self.folders, self._config_files, self.study.left_out),
        )
        return lines, states

    def _public(self, unit: Unit, state: State) -> State:
        """State whose reason names no file of the user's own, and no folder."""
        if state.status != "failed":
            return state
        files = provenance.called(unit.runs, self._config_files)
        return state._replace(reason=provenance.anonymous(state.reason, files, self.folders))

    def entries(self, states: Mapping[str, State] | None = None) -> list[list[Any]]:
        """Rows of the study's page: subject, task, label, number of runs, status and reason of each unit."""
        done = State("done")
        return [
            [unit.subject, unit.task, label, len(unit.runs), *(states[label] if states else done)[:2]]
            for label, unit in self.study.units.items()
        ]

    def report_failures(self, states: Mapping[str, State], software: str) -> None:
        """Write the page of a study in which jobs failed, from the results that exist.

        It gets the oldest of times, so that report_study makes it anew when the rest is done.
        """
        from firstlevel.reporting import study_page

        page = names.below(self.results, names.STUDY_PAGE)
        entries = [study_page.Entry(*entry) for entry in self.entries(states)]
        study_page.write(page, entries, list(self.model.contrasts), self.reasons_left_out(), software)
        os.utime(page, (0, 0))
