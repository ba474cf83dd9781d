"""The two kernels against the libraries that they stand in for, and the noise models, one thread each.

make benchmark-kernels
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow/scripts"))

from nilearn.glm.first_level.first_level import run_glm
from scipy.ndimage import affine_transform
from scipy.spatial.transform import Rotation

from firstlevel.glm import design as designs
from firstlevel.glm import fit as glm
from firstlevel.glm import local_prior, mixture, mixture_learning
from firstlevel.image import resampling
from firstlevel.io import masked
from firstlevel.io.event_table import Event

N_SCANS, N_VOXELS, SHAPE = 390, 48_000, (64, 64, 32)
BLOCK = masked.BLOCK_BYTES // (4 * N_SCANS)


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def ratio(
    name: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    repeats: int,
    said: str = "times faster",
) -> None:
    """Time both in turn and print the medians, and theirs over ours."""
    ours()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(repeats)]
    mine, other = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratios = sorted(b / a for a, b in pairs)
    print(
        f"{name}: {1e3 * mine:.1f} ms against {1e3 * other:.1f} ms, "
        f"{statistics.median(ratios):.1f} {said} [{ratios[0]:.1f}, {ratios[-1]:.1f}]"
    )


def resampling_kernel() -> None:
    rng = np.random.default_rng(0)
    smooth = np.add.outer(
        np.add.outer(*(np.sin(np.arange(n) / 5) for n in SHAPE[:2])), np.cos(np.arange(SHAPE[2]) / 4)
    )
    volume = (850 + 100 * smooth + 10 * rng.standard_normal(SHAPE)).astype(np.float32)
    mapping = np.eye(4)
    mapping[:3, :3] = Rotation.from_euler("xyz", [0.8, -0.5, 1.2], degrees=True).as_matrix()
    mapping[:3, 3] = 0.6, -0.4, 0.7
    turned = np.ascontiguousarray(volume.T)
    double = volume.astype(np.float64)  # what nilearn gives to scipy

    def ours() -> np.ndarray:
        return resampling.resample(turned, mapping, SHAPE)

    def theirs() -> np.ndarray:
        return affine_transform(double, mapping[:3, :3], mapping[:3, 3], order=3)

    print(f"resampled volumes differ by at most {np.abs(ours().T - theirs()).max():.1e} at values near 850")
    ratio("resampling a volume, against scipy.ndimage.affine_transform", ours, theirs, repeats=25)


def fit_kernel() -> None:
    matrix, data, blocks = fitted_data()

    def ours() -> list[glm.Estimates]:
        design = glm.Design.of(matrix)
        return [glm.fit(block, design, "ar1") for block in blocks]

    def theirs() -> tuple:
        return run_glm(data, matrix, noise_model="ar1")

    labels, results = theirs()
    beta, sigma2 = np.empty((matrix.shape[1], N_VOXELS)), np.empty(N_VOXELS)
    for label, result in results.items():
        beta[:, labels == label], sigma2[labels == label] = result.theta, result.dispersion
    mine = np.hstack([estimates.beta for estimates in ours()])
    difference = np.abs(mine - beta) / np.sqrt(sigma2)
    print(f"betas differ by at most {difference.max():.1e} residual standard deviations")
    ratio(f"fit of {N_SCANS} scans x {N_VOXELS} voxels, against nilearn's run_glm", ours, theirs, repeats=5)


def mixture_kernel() -> None:
    """AR(1) noise against a mixture of processes, with the learning of it and with neighbours as prior."""
    matrix, data, blocks = fitted_data()
    sample = data[:, mixture_learning.sampled(N_VOXELS)].astype(np.float32)
    inside = np.zeros(SHAPE, dtype=bool)
    inside.ravel()[:N_VOXELS] = True
    known = local_prior.thinned(inside)
    of_known = data[:, known[inside]]

    def with_ar1() -> list[glm.Estimates]:
        design = glm.Design.of(matrix)
        return [glm.fit(block, design, "ar1") for block in blocks]

    def with_mixture() -> list[mixture.Fitted]:
        basis = glm.Design.of(matrix).factors.basis
        weighted = mixture.Weighted.of(mixture_learning.learn(sample, basis), basis)
        shares, first = weighted.mixture.shares, weighted.posterior(of_known)
        prior = local_prior.local_prior(first, known, inside, shares)
        starts = np.cumsum([0, *(block.shape[1] for block in blocks)])
        return [
            weighted.fit(block, prior[:, start : start + block.shape[1]])
            for start, block in zip(starts, blocks, strict=False)
        ]

    name = f"AR(1) noise, {N_SCANS} scans x {N_VOXELS} voxels x {matrix.shape[1]} columns"
    said = "times the time of AR(1) noise"
    ratio(f"{name}, against a mixture that is learnt and fitted", with_ar1, with_mixture, 5, said)


def fitted_data() -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """A design, data with AR(1) noise, and the data in blocks as they are read."""
    rng = np.random.default_rng(0)
    events = [Event(5.1 * k, 1.0, "ab"[k % 2]) for k in range(150)]
    options = designs.DesignOptions("spm + derivative", "cosine", 0.01, -24, 50)
    _, matrix = designs.design_matrix(designs.frame_times(N_SCANS, 2.0, 0.0), events, options)
    noise = rng.standard_normal((N_SCANS, N_VOXELS))
    for scan in range(1, N_SCANS):
        noise[scan] += np.linspace(0, 0.6, N_VOXELS) * noise[scan - 1]
    data = noise + matrix[:, :4] @ rng.standard_normal((4, N_VOXELS))

    blocks = [data[:, start : start + BLOCK].copy() for start in range(0, N_VOXELS, BLOCK)]
    return matrix, data, blocks


if __name__ == "__main__":
    resampling_kernel()
    fit_kernel()
    mixture_kernel()
