"""Volumes as SPM writes them, against nibabel's own writer."""

import nibabel as nib
import numpy as np

from firstlevel.simulation import measurement, spm_files


def test_a_pair_has_the_bytes_that_nibabel_writes(tmp_path):
    """Header and data of a volume of a run, and of an image of three dimensions."""
    rng = np.random.default_rng(0)
    affine = np.array([[-2.9, 0.3, 0.1, 90], [0.3, 2.9, -0.4, -120], [0.1, 0.3, 4.0, -60], [0, 0, 0, 1]])
    volumes = (900 * rng.random((3, 7, 6, 5))).astype(np.float32)
    run = measurement.Run([], np.zeros((3, 6)), np.stack([affine] * 3), iter(volumes))
    spm_files.write_session(tmp_path / "session", 1, run, 2.5)
    spm_files.write_structural(tmp_path / "smri.img", volumes[0], affine)
    written = [tmp_path / f"session/fMETHODS-0005-{scan:05d}-01.img" for scan in (1, 2, 3)]
    signals = [volume[..., np.newaxis] for volume in volumes]
    for path, signal in zip([*written, tmp_path / "smri.img"], [*signals, volumes[0]], strict=True):
        stored = np.round(signal / spm_files.SLOPE).astype(">i2")
        pair = nib.Nifti1Pair(stored, affine, nib.nifti1.Nifti1PairHeader(endianness=">"))
        pair.set_data_dtype(stored.dtype)
        pair.set_sform(affine, code="aligned")
        pair.set_qform(affine, code="aligned")
        pair.header.set_xyzt_units("mm", "sec")
        pair.header.set_slope_inter(spm_files.SLOPE, 0)
        if signal.ndim == 4:
            pair.header["pixdim"][4] = 2.5
        pair.to_filename(tmp_path / "expected.img")
        for suffix in (".img", ".hdr"):
            expected = (tmp_path / "expected.img").with_suffix(suffix).read_bytes()
            assert path.with_suffix(suffix).read_bytes() == expected
