"""Stages that take the headers of a run, called with what ``read_headers`` makes these of."""

from dataclasses import replace

import numpy as np

import extract_events as of_events
import make_design_matrix as of_designs
import resample_run as of_runs
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


def make_design_matrix(*, bold, sidecar, **options):
    """Headers, then the stage."""
    timing, options = split(options)
    headers = headers_of(sidecar.with_name("headers.json"), bold, **timing)
    of_designs.make_design_matrix(
        bold=bold, sidecar=sidecar, headers=headers, sidecars=timing.get("sidecars"), **options
    )


def extract_events(*, events, repetition_time=None, **options):
    """The stage, with headers of two volumes where there is a repetition time."""
    headers = None
    if repetition_time is not None:
        headers = events.with_name("headers.json")
        still = np.zeros((2, 3))
        known = run_headers.RunHeaders(
            2, repetition_time * np.arange(2.0), repetition_time, "study", True, (), {}, (1, 1, 1),
            np.eye(4)[None], (), still, still,
        )  # fmt: skip
        sidecars.write_json(headers, known.content())
    of_events.extract_events(events=events, headers=headers, **options)
