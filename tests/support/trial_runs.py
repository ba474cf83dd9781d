"""Runs of many trials: events, designs as written and as nilearn makes them, noise as a fit saves it."""

from pathlib import Path

import numpy as np
import pandas as pd
from nilearn.glm.first_level import make_first_level_design_matrix

from firstlevel.glm import arma, assembly, mixture, mixture_learning, saved_noise, trial_columns
from firstlevel.glm.censoring import spikes
from firstlevel.glm.design import DesignOptions
from firstlevel.glm.nuisance import Nuisance
from firstlevel.io.designs import Design
from firstlevel.io.event_table import Event

N_SCANS, N_TRIALS = 210, 60
HRF = "spm + derivative"
DESIGN = Path("design.tsv")
NO_NUISANCE = Nuisance([], None, {}, [], False)
BLOCK = 2048
"""Voxels whose series are in double precision at a time."""


def trials(n=N_TRIALS, seed=3):
    """Events of two conditions, n in all, and of a third one, in order of onset."""
    rng = np.random.default_rng(seed)
    onsets = np.round(4 + 6.4 * np.arange(n) + rng.uniform(0, 2.5, n), 3)
    kinds = np.where(rng.random(n) < 0.5, "faces", "scrambled")
    events = [
        Event(float(t), float(rng.choice([0.5, 2.0])), str(kind))
        for t, kind in zip(onsets, kinds, strict=True)
    ]
    events += [Event(float(t), 1.0, "answers") for t in np.arange(20.0, 380.0, 55.5)]
    return sorted(events, key=lambda event: event.onset)


def options(hrf_model=HRF, **more):
    drift = {"drift_model": "cosine", "high_pass": 0.01, "min_onset": -24, "oversampling": 50}
    return DesignOptions(hrf_model, **(drift | more))


def saved_design(events, how, censored=(), modulators=None):
    """Design of a run as it is written."""
    times = 2.0 * np.arange(N_SCANS)
    names, values = spikes(list(censored), N_SCANS)
    roles = dict.fromkeys(names, "censor")
    nuisance = Nuisance(names, values if censored else None, roles, list(censored), True)
    return written_design(times, events, how, nuisance, modulators)


def written_design(times, events, how, nuisance=NO_NUISANCE, modulators=None):
    """Design of the scans at these times, as it is written; columns of `nuisance` have their roles."""
    made = assembly.assemble(DESIGN, times, events, modulators or {}, how, nuisance)
    roles = [{"Name": name, "Role": nuisance.roles.get(name, "other")} for name in made.names]
    content = {"Columns": roles, "FrameTimes": times.tolist()}
    return Design(DESIGN, made.names, made.values, content)


def noise_of_fit(name, data, basis):
    """What the fit of a run saves of its noise; the shares of the processes are the prior of all voxels.

    None where a model saves nothing. Data (n, v) may be in single precision.
    """
    blocks = np.array_split(np.arange(data.shape[1]), max(1, data.shape[1] // BLOCK))
    if name == "mixture":
        found = mixture_learning.learn(data[:, mixture_learning.sampled(data.shape[1])], basis)
        weighted = mixture.Weighted.of(found, basis)
        posterior = [weighted.posterior(data[:, block].astype(np.float64)) for block in blocks]
        return saved_noise.ProcessNoise(found.processes, mixture.to_bytes(np.hstack(posterior)))
    if name == "arma11":
        fits = [arma.Search(basis).fit(data[:, block].astype(np.float64)) for block in blocks]
        return saved_noise.ArmaNoise.of(np.hstack([np.array([fit.a, fit.b]) for fit in fits]))
    return None


def columns_of(events, how=None, conditions=("faces", "scrambled"), **nuisance):
    how = how or options()
    saved = saved_design(events, how, **nuisance)
    modulators = nuisance.get("modulators") or {}
    return trial_columns.collect(Path("events.tsv"), saved, events, modulators, how, conditions)


def table(events, **types):
    """Events as nilearn takes them, some under another name."""
    rows = [{"onset": e.onset, "duration": e.duration, "trial_type": e.trial_type} for e in events]
    found = pd.DataFrame(rows)
    for place, name in types.items():
        found.loc[int(place[1:]), "trial_type"] = name
    return found


def nilearn_design(events, hrf_model=HRF, censored=(), **more):
    drift = {"drift_model": "cosine", "high_pass": 0.01}
    names, values = spikes(list(censored), N_SCANS)
    added = {"add_regs": values, "add_reg_names": names} if censored else {}
    return make_first_level_design_matrix(
        2.0 * np.arange(N_SCANS), events, hrf_model=hrf_model, **drift, **added, **more
    )
