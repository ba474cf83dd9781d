"""Runs of many trials: events, designs as they are written and as nilearn makes them."""

from pathlib import Path

import numpy as np
import pandas as pd
from nilearn.glm.first_level import make_first_level_design_matrix

from firstlevel.glm import assembly, trial_columns
from firstlevel.glm.censoring import spikes
from firstlevel.glm.design import DesignOptions
from firstlevel.glm.nuisance import Nuisance
from firstlevel.io.designs import Design
from firstlevel.io.event_table import Event

N_SCANS, N_TRIALS = 210, 60
HRF = "spm + derivative"


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
    made = assembly.assemble(Path("design.tsv"), times, events, modulators or {}, how, nuisance)
    roles = [{"Name": name, "Role": nuisance.roles.get(name, "other")} for name in made.names]
    content = {"Columns": roles, "FrameTimes": times.tolist()}
    return Design(Path("design.tsv"), made.names, made.values, content)


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
