"""Simulate two runs of faces and scrambled faces, in the layout of the SPM multimodal faces study.

A brain (nilearn's MNI152 template) moves in the scanner; its fusiform and occipital cortex respond. Each
volume's header holds where the head was, as realignment leaves it: the volumes line up only after resampling.
The true responses come with the data, in percent signal change per unit of nilearn's regressor
for 1 s events and the SPM HRF: the betas that a model of these data should find. That HRF has unit area, so
one event alone raises the signal by about a fifth of its beta.

The model is in :mod:`firstlevel.simulation.measurement`.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from firstlevel import stage
from firstlevel.arrays import FloatArray
from firstlevel.io import image_writer
from firstlevel.simulation import spm_files
from firstlevel.simulation import truth as truths
from firstlevel.simulation.head import make_head, templates, true_responses
from firstlevel.simulation.measurement import simulate_run
from firstlevel.simulation.movement import RUN_OFFSET, scanner_affine
from firstlevel.simulation.parameters import Parameters

T1_MAX = 1000.0


def simulate_dataset(
    *,
    session1: Path,
    session2: Path,
    trials1: Path,
    trials2: Path,
    structural: Path,
    truth_faces: Path,
    truth_scrambled: Path,
    truth: Path,
    n_scans: int,
    shape: list[int],
    voxel_size: list[float],
    repetition_time: float,
    seed: int,
    noise: float,
    ar1: float,
    drift: float,
    motion: float,
    activation: float,
    threads: int = 1,
) -> None:
    """Write the volumes, trials and anatomy of a study whose responses are known, and these responses."""
    parameters = Parameters(
        n_scans=n_scans,
        shape=shape,
        voxel_size=voxel_size,
        repetition_time=repetition_time,
        seed=seed,
        noise=noise,
        ar1=ar1,
        drift=drift,
        motion=motion,
        activation=activation,
    )
    parameters.check()
    brain = templates()
    head = make_head(*brain, voxel_size, activation)
    scanner = scanner_affine(shape, voxel_size)
    outputs = [(session1, trials1, np.zeros(6)), (session2, trials2, RUN_OFFSET)]
    streams = np.random.SeedSequence(seed).spawn(len(outputs))

    def write_run(number: int) -> FloatArray:
        session, trials, offset = outputs[number - 1]
        run = simulate_run(head, scanner, parameters, offset, streams[number - 1])
        spm_files.write_trials(trials, run.onsets)
        spm_files.write_session(session, number, run, repetition_time)
        return run.movement

    # each run has random numbers of its own, and a thread: BLAS starting more of them doubles the time
    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
        numbers = range(1, len(outputs) + 1)
        movements = dict(zip(numbers, pool.map(write_run, numbers), strict=True))

    spm_files.write_structural(structural, T1_MAX * brain.t1, brain.affine)
    responses = true_responses(head, scanner, shape)
    for path, response in zip((truth_faces, truth_scrambled), responses, strict=True):
        image_writer.write_image(path, response, scanner)
    with stage.atomic(truth) as temporary:
        temporary.write_text(
            json.dumps(truths.content(parameters, movements), indent=1, sort_keys=True) + "\n"
        )


if __name__ == "__main__":
    stage.run(simulate_dataset, globals().get("snakemake"))
