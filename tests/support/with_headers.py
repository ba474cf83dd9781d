"""Stages that take the headers of a run, called with what ``read_headers`` makes these of."""

from dataclasses import fields, replace

import numpy as np

import make_design_matrix as of_designs
import resample_run as of_runs
from firstlevel.glm import run_events
from firstlevel.glm.design import DesignOptions
from firstlevel.glm.nuisance import NuisanceOptions
from firstlevel.glm.run_events import EventOptions
from firstlevel.io import run_headers, sidecars
from read_headers import read_headers


def headers_of(path, bold, reference=None, moved=None, **timing):
    """Headers of a run, with other motion (a JSON of Translation and Rotation) where it is given."""
    timing = {"repetition_time": None} | timing
    read_headers(bold=bold, reference=reference or bold, headers=path, **timing)
    if moved is not None:
        motion = sidecars.read_json(moved)
        keys = {"translation": "Translation", "rotation": "Rotation"}
        values = {name: np.array(motion[key]) for name, key in keys.items()}
        known = run_headers.read(path)
        affines = np.repeat(known.affines[:1], known.n_scans, axis=0)  # motion of its own for each
        sidecars.write_json(path, replace(known, affines=affines, **values).content())
    return path


def split(options):
    """What of the options is for the headers, and the rest."""
    names = ("repetition_time", "repetition_time_decides", "sidecars", "moved")
    timing = {name: options.pop(name) for name in names if name in options}
    return timing, options


def resample_run(*, bold, reference, sidecar, **options):
    """Headers, then the stage."""
    timing, options = split(options)
    headers = headers_of(sidecar.with_name("headers.json"), bold, reference, **timing)
    options.setdefault("mean", sidecar.with_name("mean_of_run.nii.gz"))
    of_runs.resample_run(bold=bold, reference=reference, sidecar=sidecar, headers=headers, **options)


OPTIONS_OF_DESIGNS = {
    "of_events": EventOptions,
    "of_responses": DesignOptions,
    "of_no_interest": NuisanceOptions,
}


def make_design_matrix(*, bold, sidecar, **options):
    """Headers, then the stage, with its options by their names; the events go beside the sidecar."""
    timing, options = split(options)
    headers = headers_of(sidecar.with_name("headers.json"), bold, **timing)
    for name, kind in OPTIONS_OF_DESIGNS.items():
        own = [field.name for field in fields(kind) if field.name in options]
        options[name] = kind(**{one: options.pop(one) for one in own})
    written = {"events": sidecar.with_name("of_run.tsv"), "events_json": sidecar.with_name("of_run.json")}
    of_designs.make_design_matrix(
        bold=bold, sidecar=sidecar, headers=headers, sidecars=timing.get("sidecars"), **written, **options
    )


def write_run_events(*, source, events, sidecar=None, repetition_time=2.0, **options):
    """Events of a run as the stage of the design writes them."""
    found = run_events.collect(source, events, repetition_time, EventOptions(**options))
    found.write(events, sidecar or events.with_suffix(".json"))
