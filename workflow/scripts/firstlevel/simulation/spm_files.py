"""A simulated study as files of SPM: pairs of a volume each, and multiple conditions."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.io import savemat

from firstlevel import stage
from firstlevel.arrays import Float32Array, FloatArray
from firstlevel.io import folders
from firstlevel.simulation.measurement import Run
from firstlevel.simulation.paradigm import CONDITIONS

SLOPE = 0.125  # signal per stored unit: fine against the noise at values near 850
STORED = np.dtype(">i2")
MAT_HEADER = b"MATLAB 5.0 MAT-file, simulated by fmri-firstlevel"  # savemat would write the time of day

logger = logging.getLogger(__name__)


def write_session(session: Path, number: int, run: Run, repetition_time: float) -> None:
    """Write the volumes of a run as they are measured, a pair of files each; `number` is 1 for the first."""
    n_scans = len(run.affines)
    with folders.whole(session) as folder:
        for scan, (volume, affine) in enumerate(zip(run.volumes, run.affines, strict=True), start=1):
            image = folder / f"fMETHODS-{number + 4:04d}-{scan:05d}-01.img"
            _write_pair(image, image.with_suffix(".hdr"), volume[..., np.newaxis], affine, repetition_time)
            if scan * 10 // n_scans > (scan - 1) * 10 // n_scans:
                logger.info("run %d: %d of %d volumes", number, scan, n_scans)


def write_structural(path: Path, signal: Float32Array, affine: FloatArray) -> None:
    """Write an image of three dimensions as a pair, `path` that of its data."""
    with stage.atomic(path) as image, stage.atomic(path.with_suffix(".hdr")) as header:
        _write_pair(image, header, signal, affine)


def _write_pair(
    image: Path, header: Path, signal: Float32Array, affine: FloatArray, repetition_time: float = 0.0
) -> None:
    """A NIfTI pair as SPM writes it: big-endian integers with a slope, and the affine as sform and qform."""
    fields = nib.nifti1.Nifti1PairHeader(endianness=">")
    fields.set_data_dtype(STORED)
    fields.set_data_shape(signal.shape)
    fields.set_sform(affine, code="aligned")
    fields.set_qform(affine, code="aligned")
    fields.set_xyzt_units("mm", "sec")
    fields.set_slope_inter(SLOPE, 0)
    if signal.ndim == 4:
        fields["pixdim"][4] = repetition_time
    header.write_bytes(fields.binaryblock)
    image.write_bytes(np.round(signal / SLOPE).astype(STORED).tobytes(order="F"))


def write_trials(path: Path, onsets: Sequence[FloatArray]) -> None:
    """Write a MATLAB file with the cell arrays `names` and `onsets` (scans)."""
    names, columns = np.empty((2, 1, len(onsets)), dtype=object)
    for k, (name, scans) in enumerate(zip(CONDITIONS, onsets, strict=True)):
        names[0, k], columns[0, k] = name, scans[:, np.newaxis]
    buffer = io.BytesIO()
    savemat(buffer, {"names": names, "onsets": columns})
    with stage.atomic(path) as temporary:
        temporary.write_bytes(MAT_HEADER.ljust(116) + buffer.getvalue()[116:])
