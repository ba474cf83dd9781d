"""The model of a study, resolved once from its config. Standard library, but for the list of noise models.

A model is a list of nodes, as in BIDS Stats Models: of a run (events and confounds to a design, its fit and
contrasts) and of a subject (runs combined). Rules and stages read only here what to compute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firstlevel import texts
from firstlevel.glm.noise import MODELS
from firstlevel.io.sidecars import camel
from firstlevel.plan.runs import Run

WORDS = ("epi", "derivatives", "auto", "mean", "T1w")
"""What the keys mask and figures.background say in place of a path."""
OF_DESIGN = (
    "hrf_model",
    "sampling",
    "derivative_step",
    "undershoot_ratio",
    "fir_delays",
    "fir_unit",
    "drift_model",
    "drift_order",
    "high_pass",
    "min_onset",
    "oversampling",
)
"""Keys of the section design that are options of responses and drift."""


def rows_of(expression: str | Sequence[str]) -> list[str]:
    """Expressions of a contrast: one of a t contrast, one per row of an F contrast."""
    return [expression] if isinstance(expression, str) else list(expression)


@dataclass(frozen=True)
class Contrast:
    """A hypothesis: one expression of regressor names (t), or one per row (F)."""

    label: str
    rows: tuple[str, ...]
    statistic: str

    @property
    def is_signed(self) -> bool:
        """Whether it has a direction."""
        return self.statistic == "t"

    @property
    def name(self) -> str:
        """The contrast in words."""
        told = ", ".join(self.rows)
        return told if self.is_signed else f"any of {told} (F)"


@dataclass(frozen=True)
class RunNode:
    """From the events and confounds of a run to its fit.

    Attributes
    ----------
    events : durations, conditions, modulators of events.
    event_rules : which rows of an events table are events.
    design : options of the responses and the drift.
    slice_time_ref : where in an acquisition scans are sampled.
    confounds : options of the regressors of no interest.
    has_maps : whether each run gets maps of its own.
    single_trials : model, conditions and noise model of single trials; None where there are none.
    """

    events: Mapping[str, Any]
    event_rules: Mapping[str, Any]
    design: Mapping[str, Any]
    slice_time_ref: float | str
    confounds: Mapping[str, Any]
    noise_model: str
    signal_scaling: str
    has_maps: bool
    single_trials: Mapping[str, Any] | None = None

    @property
    def has_arma_noise(self) -> bool:
        """Whether the noise of a voxel has two coefficients, with a map of their own."""
        return MODELS[self.noise_model].is_arma

    @property
    def learns_noise(self) -> bool:
        """Whether the noise of a run is learnt, with files and a figure of its own."""
        return MODELS[self.noise_model].is_learnt


@dataclass(frozen=True)
class SubjectNode:
    """The runs of a subject, combined: weights of runs, test of F contrasts, voxels that some run lacks."""

    weights: str
    f_test: str
    coverage: str


@dataclass(frozen=True)
class Model:
    """What is computed.

    Attributes
    ----------
    source, space : what kind of study the data are, and the space of a BIDS study's images.
    headers : what read_headers takes.
    resampling : what resample_run takes.
    resamples : whether runs are resampled or smoothed; if not, they are read in place: once, where
        :attr:`reads_once`.
    mask : ``epi``, ``derivatives`` or a path.
    is_masked : whether voxels that some volume of a run does not cover are left out of this run.
    inference : what compute_inference takes.
    """

    source: str
    space: str | None
    headers: Mapping[str, Any]
    resampling: Mapping[str, Any]
    resamples: bool
    mask: str
    is_masked: bool
    run: RunNode
    subject: SubjectNode
    contrasts: Mapping[str, Contrast]
    inference: Mapping[str, Any]

    @property
    def reads_once(self) -> bool:
        """Whether the fit alone reads the runs: all are on one grid, and no mask is made from their means."""
        return not self.resamples and self.mask != "epi"

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Model:
        """Model of a checked config."""
        design, resample = config["design"], config["resample"]
        strategy = resampling_strategy(config)
        return cls(
            source=config["study"]["source"],
            space=config["study"]["bids"]["space"] if config["study"]["source"] == "bids" else None,
            resampling={"strategy": strategy, "smoothing_fwhm": resample["smoothing_fwhm"]},
            resamples=strategy != "none" or resample["smoothing_fwhm"] is not None,
            headers={
                "repetition_time_decides": config["study"]["repetition_time_decides"],
                "is_one_grid": strategy == "none",
            },
            mask=config["mask"],
            is_masked=resample["field_of_view"] == "masked",
            run=RunNode(
                events={
                    "event_duration": config["study"]["event_duration"],
                    "conditions": config["study"]["conditions"],
                    "modulators": design["modulators"],
                },
                event_rules=config["study"]["events"],
                design={key: design[key] for key in OF_DESIGN},
                slice_time_ref=slice_time_ref(config),
                confounds=config["confounds"],
                noise_model=config["glm"]["noise_model"],
                signal_scaling=config["glm"]["signal_scaling"],
                has_maps=config["fixed_effects"]["per_run"],
                single_trials=_single_trials(design["single_trials"], config["glm"]["noise_model"]),
            ),
            subject=SubjectNode(
                weights=config["fixed_effects"]["weights"],
                f_test=f_test(config),
                coverage=config["fixed_effects"]["coverage"],
            ),
            contrasts={
                label: Contrast(
                    label, tuple(rows_of(expression)), "t" if isinstance(expression, str) else "F"
                )
                for label, expression in config["contrasts"].items()
            },
            inference={key: value for key, value in config["inference"].items() if key != "shown"},
        )

    def of_statistic(self, statistic: str) -> list[str]:
        """Labels of the t or F contrasts."""
        return [label for label, contrast in self.contrasts.items() if contrast.statistic == statistic]

    def content(self) -> dict[str, Any]:
        """Content of model.json, in terms of BIDS Stats Models, without the name of a mask."""
        contrasts = [
            {"Name": one.label, "Rows": list(one.rows), "Test": one.statistic}
            for one in self.contrasts.values()
        ]
        run = {
            "Level": "Run",
            "Name": "run",
            "GroupBy": ["run", "subject"],
            "Events": camel({**self.run.event_rules, **self.run.events})
            | {"Modulators": _modulators(self.run.events["modulators"])},
            "Design": camel({**self.run.design, "slice_time_ref": self.run.slice_time_ref}),
            "Confounds": camel(
                {
                    key: camel(own) if isinstance(own, Mapping) else own
                    for key, own in self.run.confounds.items()
                }
            ),
            "Noise": self.run.noise_model,
            "SignalScaling": self.run.signal_scaling,
            "Contrasts": contrasts,
            "MapsAreWritten": self.run.has_maps,
        }
        if self.run.single_trials:
            run["SingleTrials"] = camel(self.run.single_trials)
        subject = {
            "Level": "Subject",
            "Name": "subject",
            "GroupBy": ["contrast", "subject"],
            "Combination": "fixed effects",
            "Weights": self.subject.weights,
            "FTest": self.subject.f_test,
            "Coverage": self.subject.coverage,
        }
        return {
            "Name": "first level",
            "Data": {"Source": self.source, "Space": self.space},
            "Resampling": camel(self.resampling) | {"FieldOfView": "masked" if self.is_masked else "any"},
            "Mask": self.mask if self.mask in WORDS else texts.public(Path(self.mask), "given"),
            "Nodes": [run, subject],
            "Inference": camel(self.inference),
        }


def _single_trials(asked: Mapping[str, Any] | None, noise_model: str) -> dict[str, Any] | None:
    """Single trials with their conditions as events spell them; their noise is that of the fit by default."""
    if asked is None:
        return None
    listed = asked["conditions"]
    return {
        "model": asked["model"],
        "conditions": None if listed is None else [texts.composed(name) for name in listed],
        "noise_model": asked["noise_model"] or noise_model,
    }


def _modulators(by_condition: Mapping[str, Any]) -> dict[str, Any]:
    """Modulators by condition, and their options where they have some, by column."""
    return {
        condition: {column: camel(how or {}) for column, how in own.items()}
        if isinstance(own, Mapping)
        else own
        for condition, own in by_condition.items()
    }


def resampling_strategy(config: Mapping[str, Any]) -> str:
    """How runs are brought to one grid; by default none if the space is named, as its images share a grid."""
    asked: str | None = config["resample"]["strategy"]
    if asked is not None:
        return asked
    study = config["study"]
    return "none" if study["source"] == "bids" and study["bids"]["space"] else "sequential"


def f_test(config: Mapping[str, Any]) -> str:
    """How F contrasts are tested: always exact where noise is learnt, which the other takes for known."""
    learns_noise = MODELS[config["glm"]["noise_model"]].is_learnt
    return "exact" if learns_noise else str(config["fixed_effects"]["f_test"])


def slice_time_ref(config: Mapping[str, Any]) -> float | str:
    """Return where in an acquisition scans are sampled: a fraction, or auto, which asks the sidecars.

    Other studies than BIDS have none: there, auto is 0.0, the start of a scan as in nilearn's example, and
    middle is what auto is where no sidecar tells.
    """
    asked: float | str = config["design"]["slice_time_ref"]
    if asked == "auto" and config["study"]["source"] != "bids":
        return 0.0
    return "auto" if asked == "middle" else asked


def confounds_key(config: Mapping[str, Any]) -> str | None:
    """Config key that needs the runs' confounds tables; None if no key does."""
    study, extra, censor = config["study"], config["confounds"], config["confounds"]["censor"]
    asked = {
        "confounds.columns": extra["columns"],
        "confounds.fmriprep": extra["fmriprep"]["strategy"],
        "confounds.censor.column": censor["column"],
        "confounds.censor.source": censor["fd_threshold"] is not None
        and censor["source"] not in ("affines", *(["auto"] if study["source"] != "bids" else [])),
    }
    return next((key for key, value in asked.items() if value), None)


def confounds_of(config: Mapping[str, Any], run: Run) -> list[str]:
    """Confounds table that the design of a run needs; none for a ready-made design or without such keys."""
    if run.design:
        return []
    censor = config["confounds"]["censor"]
    either = censor["fd_threshold"] is not None and censor["source"] == "auto"
    return [run.confounds] if run.confounds and (either or confounds_key(config)) else []


def needs_motion(config: Mapping[str, Any], run: Run | None = None) -> bool:
    """Whether the design of a run (None: of any run) needs motion from the headers.

    Where the source of framewise displacement is auto, one 4D image with a table of confounds needs none: its
    header has one affine, and nothing beside it others.
    """
    censor = config["confounds"]["censor"]
    if run is not None and run.design:
        return False
    if config["confounds"]["motion"]:
        return True
    if censor["fd_threshold"] is None or censor["source"] not in ("affines", "auto"):
        return False
    by_table = censor["source"] == "auto" and run is not None and run.confounds is not None
    return not (by_table and run is not None and len(run.images) == len(run.bold) == 1)
