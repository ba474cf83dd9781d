"""Sentences of the methods section on the design: events, drift, confounds, censoring. Standard library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from firstlevel.reporting.references import Sentence
from firstlevel.reporting.run_facts import Run, value_range

RESPONSES = {
    "spm": "SPM's canonical haemodynamic response",
    "glover": "Glover's haemodynamic response",
    "fir": "a finite impulse response",
}
SAMPLINGS = {
    "nilearn": ", as nilearn does in {bins} bins per repetition time",
    "exact": " by its integral",
    "spm": ", as SPM12 does in {bins} bins per repetition time",
}
DERIVATIVES = {"derivative": "time derivative", "dispersion": "dispersion derivative"}
STRATEGIES = {
    "motion": "{motion} of motion",
    "wm_csf": "{wm_csf} of white matter and CSF",
    "global_signal": "{global_signal} of the global signal",
    "compcor": "CompCor ({compcor}; {n_compcor})",
}
"""Strategies of load_confounds that add regressors other than cosines and censored scans."""


def design_sentences(node: Mapping[str, Any], runs: Sequence[Run]) -> list[Sentence]:
    """How the designs were made, of the runs whose design was not given."""
    given, made = [run for run in runs if run.given], [run for run in runs if not run.given]
    return [*_given(given, len(runs)), *(_made(node, made) if made else [])]


def _given(runs: Sequence[Run], n_runs: int) -> list[Sentence]:
    """Which designs were given ready-made, and what was done to them."""
    if not runs:
        return []
    forms = " or ".join(dict.fromkeys(run.given for run in runs))
    whose = "each run" if len(runs) == n_runs else f"{len(runs)} of {n_runs} runs"
    columns = value_range([run.n_columns for run in runs])
    notes = "; ".join(dict.fromkeys(note for run in runs for note in run.given_notes))
    text = f"The design matrix of {whose} was given ({forms}; {columns} regressors) and used unchanged"
    return [Sentence(f"{text} ({notes})." if notes else f"{text}.")]


def _made(node: Mapping[str, Any], runs: Sequence[Run]) -> list[Sentence]:
    """How the designs of the runs were made; of the model and the sidecars."""
    design = node["Design"]
    model, *derivatives = design["HrfModel"].split(" + ")
    response = RESPONSES[model]
    if model == "fir":
        delays = ", ".join(f"{delay:.12g}" for delay in design["FirDelays"])
        response += f" at delays of {delays} {design['FirUnit']}"
    if model == "spm" and design["UndershootRatio"] is not None:
        response += f", undershoot {design['UndershootRatio']:.3g} of the peak,"
    if derivatives:
        response += f" with its {' and '.join(DERIVATIVES[name] for name in derivatives)}"
    if "derivative" in derivatives and design["DerivativeStep"] is not None:
        response += f" (a difference of {design['DerivativeStep']:g} s)"
    sampling = "" if model == "fir" else SAMPLINGS[design["Sampling"]].format(bins=design["Oversampling"])
    sentences = [
        Sentence(
            f"Events were convolved with {response}{sampling}; {_sampled(runs)}.",
            (("glover",) if model == "glover" else ())
            + (("nilearn",) if sampling and design["Sampling"] == "nilearn" else ()),
        ),
        *_modulators(runs),
        Sentence(_drift(design, runs)),
    ]
    if not any(run.has_events for run in runs):
        sentences = [Sentence("No events were modelled."), Sentence(_drift(design, runs))]
    if n_motion := max(run.n_motion for run in runs):
        cites = ("friston24",) if n_motion > 6 else ()
        sentences.append(
            Sentence(f"{n_motion} motion regressors, read from the volumes' headers, were added.", cites)
        )
    return [*sentences, *_confounds(node["Confounds"], runs), *_censoring(node["Confounds"], runs)]


def _drift(design: Mapping[str, Any], runs: Sequence[Run]) -> str:
    """How slow drifts were modelled: by the design's own model, and by cosines among the confounds."""
    how = {
        "cosine": [f"cosines below {design['HighPass']:g} Hz"],
        "polynomial": [f"polynomials up to order {design['DriftOrder']}"],
        "none": [],
    }[design["DriftModel"]]
    short = "" if any(run.n_drift != 0 for run in runs) else f" (too few scans for {' '.join(how)})"
    if short:
        how = []
    if any(run.n_cosines for run in runs):
        how.append(f"{value_range([run.n_cosines for run in runs])} cosines of the table of confounds")
    if not how:
        return f"Drifts were not modelled{short if design['DriftModel'] != 'none' else ''}."
    return f"Slow drifts were modelled by {' and '.join(how)}."


def _confounds(asked: Mapping[str, Any], runs: Sequence[Run]) -> list[Sentence]:
    """Which confounds were added, but for cosines, which are drift."""
    counts = [run.n_confounds - run.n_cosines for run in runs]
    if not any(counts):
        return []
    options = asked["Fmriprep"]
    kinds = [
        STRATEGIES[name].format(**_spelled(options)) for name in options["Strategy"] if name in STRATEGIES
    ]
    sources = [f"columns of the table of confounds: {', '.join(asked['Columns'])}"] * bool(asked["Columns"])
    sources += [f"fMRIPrep's, selected as by nilearn's load_confounds: {', '.join(kinds)}"] * bool(kinds)
    details = f" ({'; '.join(sources)})" if sources else ""
    per_run = " per run" if len(runs) > 1 else ""
    return [
        Sentence(
            f"{value_range(counts)} confounds{per_run} were added{details}.", ("nilearn",) if kinds else ()
        ),
    ]


def _spelled(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of the strategies as numbers and words."""
    number = options["NCompcor"]
    return {
        "motion": {"basic": 6, "power2": 12, "derivatives": 12, "full": 24}[options["Motion"]],
        "wm_csf": {"basic": 2, "power2": 4, "derivatives": 4, "full": 8}[options["WmCsf"]],
        "global_signal": {"basic": 1, "power2": 2, "derivatives": 2, "full": 4}[options["GlobalSignal"]],
        "compcor": options["Compcor"].replace("_", ", "),
        "n_compcor": "all components" if number == "all" else f"up to {number} components per mask",
    }


def _censoring(asked: Mapping[str, Any], runs: Sequence[Run]) -> list[Sentence]:
    """How many volumes were censored, and by which limits."""
    censor, options = asked["Censor"], asked["Fmriprep"]
    criteria, limit = [], censor["FdThreshold"]
    if limit is not None:
        sources = {run.displacement_from for run in runs}
        where = "" if sources == {""} else " by the table of confounds"
        where = " by the volumes' affines" if sources == {"the affines"} else where
        criteria.append(f"framewise displacement above {limit:g} mm{where}")
    if censor["Column"] is not None:
        criteria.append(f"marked in the column {censor['Column']}")
    scrubbed = "scrub" in options["Strategy"]
    if scrubbed:
        details = f"framewise displacement above {options['FdThreshold']:g} mm or standardised DVARS above "
        details += f"{options['StdDvarsThreshold']:g} by the table of confounds"
        least = options["Scrub"]
        criteria.append(details + (f", or fewer than {least} volumes between such ones" if least else ""))
    if options["Strategy"]:
        criteria.append("non-steady-state volumes found by fMRIPrep")
    counts = [run.n_censored for run in runs]
    if not (criteria or any(counts)):
        return []
    cites = ("fd",) if limit is not None or scrubbed else ()
    details = f" ({'; '.join(criteria)})" if criteria else ""
    if not any(counts):
        return [Sentence(f"No volume met the criteria for censoring{details}.", cites)]
    per_run = " per run" if len(runs) > 1 else ""
    if set(counts) == {1}:
        return [Sentence(f"1 volume{per_run} was censored, with one regressor{details}.", cites)]
    text = f"{value_range(counts)} volumes{per_run} were censored, one regressor each{details}."
    return [Sentence(text, cites)]


def _modulators(runs: Sequence[Run]) -> list[Sentence]:
    """What modulated events and how, over all runs, and how many events had no value."""
    every = [one for run in runs for one in run.modulators]
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for one in every:
        by_name.setdefault(one["Name"], []).append(one)
    clauses = []
    alike: dict[tuple[str, ...], list[str]] = {}
    for name, in_runs in by_name.items():
        first = in_runs[0]
        if name == first["Condition"]:
            clauses.append(f"the height of each event of {name} was its value of {first['Column']}")
            continue
        parts = ["less its mean over the events of the run"] if first["Centre"] == "run" else []
        if first["Orthogonalised"]:
            parts = ["orthogonalised against the condition and the modulators before it"]
        how = parts[0] if parts else "as it stands"
        missing = sum(one["Missing"] for one in in_runs)
        lacking = f" ({missing} events without a value were given the mean)" if missing else ""
        alone = name if missing else ""  # its count is of it alone
        alike.setdefault((how, first["Condition"], lacking, alone), []).append(first["Column"])
    for (how, condition, lacking, _), columns in alike.items():
        *others, last = columns
        listed, each = (f"{', '.join(others)} and {last}", "each ") if others else (last, "")
        clauses.append(f"{listed}, {each}{how}, modulated {condition}{lacking}")
    text = "; ".join(clauses)
    return [Sentence(f"Parametric modulation: {text}.")] if clauses else []


def _sampled(runs: Sequence[Run]) -> str:
    """At which moment of a volume the model was sampled, and why there."""
    times = value_range([round(run.start_time, 3) for run in runs])
    when = "at the start of each volume" if times == "0" else f"{times} s after the start of each volume"
    sources = "; ".join(dict.fromkeys(run.start_source for run in runs if run.start_source))
    return f"the regressors were sampled {when}" + (f" ({sources})" if sources else "")
