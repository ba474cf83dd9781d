"""Simulate two runs of faces and scrambled faces, in the layout of the SPM multimodal faces study.

A brain (nilearn's MNI152 template) moves in the scanner; its fusiform and occipital cortex respond. Each
volume's header holds where the head was, as realignment leaves it: the volumes line up only after resampling.
The true responses come with the data, in percent signal change per unit of nilearn's regressor
for 1 s events and the SPM HRF: the betas that a model of these data should find. That HRF has unit area, so
one event alone raises the signal by about a fifth of its beta.

The model is in :mod:`firstlevel.simulation`; here are the files.
"""

import io
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy.io import savemat

from firstlevel import simulation, stage, third_party
from firstlevel.arrays import Float32Array, FloatArray
from firstlevel.io import folders, image_writer, images, sidecars

TEMPLATE = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
"""Names of nilearn's templates, read where they lie: the package itself takes seconds to import."""
SLOPE = 0.125  # signal per stored unit: fine against the noise at values near 850
T1_MAX = 1000.0
MAT_HEADER = b"MATLAB 5.0 MAT-file, simulated by fmri-firstlevel"  # savemat would write the time of day
FEWEST_EVENTS = 4  # two per condition

logger = logging.getLogger(__name__)


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
    given = {
        "n_scans": n_scans,
        "shape": list(shape),
        "voxel_size": list(voxel_size),
        "repetition_time": repetition_time,
        "seed": seed,
        "noise": noise,
        "ar1": ar1,
        "drift": drift,
        "motion": motion,
        "activation": activation,
    }
    _check(given)
    t1, grey, white, template = _templates()
    head = simulation.make_head(t1, grey, white, template, voxel_size, activation)
    scanner = simulation.scanner_affine(shape, voxel_size)
    outputs = [(session1, trials1, np.zeros(6)), (session2, trials2, simulation.RUN_OFFSET)]
    streams = np.random.SeedSequence(seed).spawn(len(outputs))

    def measure(run: int) -> FloatArray:
        (session, trials, offset), stream = outputs[run - 1], streams[run - 1]
        timing, walking, drifting, measuring = map(_generator, stream.spawn(4))
        onsets = simulation.event_onsets(n_scans, repetition_time, timing)
        regressors = simulation.response_regressors(onsets, n_scans, repetition_time)
        movement = simulation.head_motion(n_scans, motion, offset, walking)
        affines = np.stack([np.linalg.inv(simulation.rigid(row)) @ scanner for row in movement])
        courses = simulation.drift_courses(n_scans, repetition_time, drifting)
        maps = simulation.drift_maps(head, drift, drifting)
        measured = simulation.volumes(
            head, regressors, (courses, maps), affines, shape, noise=noise, ar1=ar1, rng=measuring
        )
        _write_trials(trials, onsets)
        _write_session(session, run, measured, affines, repetition_time)
        return movement

    with ThreadPoolExecutor(threads) as pool:  # each run has random numbers of its own
        runs = range(1, len(outputs) + 1)
        movements = {
            f"run-{run}": movement.round(6).tolist()
            for run, movement in zip(runs, pool.map(measure, runs), strict=True)
        }

    with stage.atomic(structural) as image, stage.atomic(structural.with_suffix(".hdr")) as header:
        _write_pair(image, header, T1_MAX * t1, template)
    responses = simulation.true_responses(head, scanner, shape)
    for path, response in zip((truth_faces, truth_scrambled), responses, strict=True):
        image_writer.write_image(path, response, scanner)
    with stage.atomic(truth) as temporary:
        content = {"Parameters": sidecars.camel(given), "Regions": _regions(activation), "Motion": movements}
        content["MotionColumns"] = ["x mm", "y mm", "z mm", "x degrees", "y degrees", "z degrees"]
        content["MotionCentre"] = simulation.CENTRE.tolist()
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def _check(given: Mapping[str, Any]) -> None:
    """Refuse what cannot be simulated, by the name of its config key."""

    def require(name: str, right: bool, expected: str) -> None:
        if not right:
            raise stage.InputError(
                f"config key study.simulated.{name}",
                f"{given[name]} cannot be simulated",
                expected=expected,
                remedy="change this value",
            )

    require("repetition_time", given["repetition_time"] > 0, "seconds, above 0")
    fewest = simulation.fewest_scans(FEWEST_EVENTS, given["repetition_time"])
    require("n_scans", given["n_scans"] >= fewest, f"{fewest} or more, for {FEWEST_EVENTS} events")
    for name, smallest in (("shape", 4), ("voxel_size", 0.1)):
        right = len(given[name]) == 3 and min(given[name]) >= smallest
        require(name, right, f"three numbers (x, y, z), each {smallest} or more")
    require("seed", given["seed"] >= 0, "a whole number, 0 or more")
    require("ar1", 0 <= given["ar1"] < 1, "a correlation, 0 or more and below 1")
    for name in ("noise", "drift", "motion", "activation"):
        require(name, given[name] >= 0, "0 or more")


def _generator(stream: np.random.SeedSequence) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(stream))


def _templates() -> tuple[Float32Array, Float32Array, Float32Array, FloatArray]:
    """T1, grey and white matter in [0, 1], as means of 2 x 2 x 2 voxels of 1 mm, and their affine."""
    folder = third_party.folder_of("nilearn") / "datasets" / "data"
    templates = [images.load(folder / TEMPLATE.format(tissue)) for tissue in ("t1", "gm", "wm")]
    halves = []
    for image in templates:
        fine = np.asarray(image.dataobj).astype(np.float32)
        fine /= fine.max()
        x, y, z = (n // 2 for n in fine.shape)
        blocks = fine[: 2 * x, : 2 * y, : 2 * z].reshape(x, 2, y, 2, z, 2)
        halves.append(blocks.mean(axis=(1, 3, 5)))
    to_fine = np.diag([2.0, 2.0, 2.0, 1.0])
    to_fine[:3, 3] = 0.5
    return halves[0], halves[1], halves[2], templates[0].affine @ to_fine


def _write_session(
    session: Path, run: int, measured: Iterator[Float32Array], affines: FloatArray, repetition_time: float
) -> None:
    n_scans = len(affines)
    with folders.whole(session) as folder:
        for scan, (volume, affine) in enumerate(zip(measured, affines, strict=True), start=1):
            image = folder / f"fMETHODS-{run + 4:04d}-{scan:05d}-01.img"
            _write_pair(image, image.with_suffix(".hdr"), volume[..., np.newaxis], affine, repetition_time)
            if scan * 10 // n_scans > (scan - 1) * 10 // n_scans:
                logger.info("run %d: %d of %d volumes", run, scan, n_scans)


def _write_pair(
    image: Path, header: Path, signal: Float32Array, affine: FloatArray, repetition_time: float = 0.0
) -> None:
    """A NIfTI pair as SPM writes it: big-endian integers with a slope, and the affine as sform and qform."""
    stored = np.round(signal / SLOPE).astype(">i2")
    pair = nib.Nifti1Pair(stored, affine, nib.nifti1.Nifti1PairHeader(endianness=">"))
    pair.set_data_dtype(stored.dtype)
    pair.set_sform(affine, code="aligned")
    pair.set_qform(affine, code="aligned")
    pair.header.set_xyzt_units("mm", "sec")
    pair.header.set_slope_inter(SLOPE, 0)
    if stored.ndim == 4:
        pair.header["pixdim"][4] = repetition_time
    files = {"image": image, "header": header}
    pair.to_file_map({kind: nib.FileHolder(str(path)) for kind, path in files.items()})


def _write_trials(path: Path, onsets: Sequence[FloatArray]) -> None:
    """A MATLAB file with the cell arrays `names` and `onsets` (scans)."""
    names, columns = np.empty((2, 1, len(onsets)), dtype=object)
    for k, (name, scans) in enumerate(zip(simulation.CONDITIONS, onsets, strict=True)):
        names[0, k], columns[0, k] = name, scans[:, np.newaxis]
    buffer = io.BytesIO()
    savemat(buffer, {"names": names, "onsets": columns})
    with stage.atomic(path) as temporary:
        temporary.write_bytes(MAT_HEADER.ljust(116) + buffer.getvalue()[116:])


def _regions(activation: float) -> list[dict[str, Any]]:
    """Where the simulated brain responds, with its peaks in percent per unit regressor."""
    return [
        {
            "Name": region.name,
            "CentreInMNI": region.centre,
            "Fwhm": region.fwhm,
            "PeakPercent": dict(
                zip(simulation.CONDITIONS, (activation * p for p in region.peaks), strict=True)
            ),
        }
        for region in simulation.REGIONS
    ]


if __name__ == "__main__":
    stage.run(simulate_dataset, globals().get("snakemake"))
