"""The fit of a run whose noise is learnt, from kept series, against the fit of the series themselves."""

import numpy as np
import pytest
from two_conditions import matrix_of

from firstlevel.glm import fit as glm
from firstlevel.glm import learnt, local_prior, mixture, mixture_learning, run_sums, stream
from firstlevel.io import scratch
from firstlevel.io.scratch import Scratch

N_SCANS, N_VOXELS = 100, 700
SAME_ARITHMETIC = 1e-9
"""Relative: blocks of other sizes sum up in another order; and the mean is one of sums."""


@pytest.fixture(scope="module")
def matrix():
    return matrix_of(N_SCANS)


@pytest.fixture(scope="module")
def series(matrix):
    """Noise of three kinds about 850, an effect, and hard voxels, (n, v) in single precision."""
    rng = np.random.default_rng(1)
    rho = np.array([0.0, 0.4, 0.85])[np.arange(N_VOXELS) % 3]
    made = rng.standard_normal((N_SCANS + 50, N_VOXELS))
    for scan in range(1, len(made)):
        made[scan] += rho * made[scan - 1]
    made = 850 + 8 * made[50:] + 4 * matrix[:, :1]
    made[:, 0] = 731.7  # never changes
    made[0, 1] += 1e6  # before the steady state
    made[:, 2] = 850 + 40 * matrix[:, 0] + 2e-2 * rng.standard_normal(N_SCANS)  # next to no noise
    made[:, 3] = 1e4 + 0.2 * rng.standard_normal(N_SCANS)
    made[:, 4] = -850 + 8 * rng.standard_normal(N_SCANS)
    made[:, 600:650] = 0.0  # outside of the brain: no voxel to learn from
    return made.astype(np.float32)


def fit(folder, series, matrix, covered, *, in_percent, inside=None):
    """Estimates and noise of a run that is kept, as the stage fits it."""
    model = glm.Design.of(matrix)
    everything = np.ones(len(series), dtype=bool)
    with Scratch.beside(folder / "beta.nii.gz", *series.shape) as kept:
        sums = run_sums.RunSums.of(kept.kept(iter(series)), model.factors.basis, everything, series.shape[1])
        first = stream.fit_run(sums, model, "ols", covered, kept.again, in_percent=in_percent)
        line = np.ones((1, 1, series.shape[1]), dtype=bool)
        inside = line if inside is None else inside
        found = learnt.fit_run(sums, first, model, "mixture", kept, inside, in_percent=in_percent)
    return first, found


def without_constant(matrix):
    return matrix[:, :-1]


@pytest.mark.parametrize("change", [np.asarray, without_constant])
@pytest.mark.parametrize("in_percent", [True, False])
def test_kept_series_are_fitted_as_series_in_memory(tmp_path, series, matrix, in_percent, change):
    """Same processes, shares, betas, variances and posteriors; what the run has not is 0."""
    matrix, covered = change(matrix), np.arange(N_VOXELS) != 9
    first, found = fit(tmp_path, series, matrix, covered, in_percent=in_percent)
    data, model = series.astype(float), glm.Design.of(matrix)
    data = glm.percent_signal_change(data) if in_percent else data
    has = covered & (np.ptp(series, axis=0) > 0)
    noise = mixture_learning.learn(data[:, has], model.factors.basis)
    assert found.n_sampled == has.sum()  # few enough that each is taken
    np.testing.assert_allclose(found.mixture.shares, noise.shares, rtol=1e-6, atol=0)
    np.testing.assert_allclose(
        found.mixture.processes.coefficients, noise.processes.coefficients, rtol=0, atol=1e-6
    )
    # with the very processes that were found, so that only this fit is compared
    weighted = mixture.Weighted.of(found.mixture, model.factors.basis)
    there = has[np.newaxis, np.newaxis]
    known = local_prior.thinned(there)
    prior = local_prior.local_prior(
        weighted.posterior(data[:, known[0, 0]]), known, there, found.mixture.shares
    ).astype(np.float32)
    assert change is without_constant or np.ptp(prior, axis=1).max() > 0.05  # voxels differ in it
    expected = weighted.fit(data[:, has], prior.astype(float))
    maps = first.maps
    for values in (maps.beta.T, maps.sigma2, maps.ar1, maps.rsquared, found.posterior.T):
        assert not values[~has].any()
    sigma = np.sqrt(expected.sigma2)
    beta = model.factors.transform @ expected.coefficients
    np.testing.assert_allclose((maps.beta[:, has] - beta) / sigma, 0, rtol=0, atol=SAME_ARITHMETIC)
    np.testing.assert_allclose(maps.sigma2[has], expected.sigma2, rtol=SAME_ARITHMETIC, atol=0)
    np.testing.assert_allclose(maps.ar1[has], expected.ar1, rtol=0, atol=SAME_ARITHMETIC)
    np.testing.assert_allclose(maps.rsquared[has], expected.rsquared, rtol=0, atol=1e-6)
    saved = found.posterior[:, has] / 255
    np.testing.assert_allclose(saved, expected.posterior, rtol=0, atol=0.5 / 255 + SAME_ARITHMETIC)


def test_blocks_make_no_difference(tmp_path, series, matrix, monkeypatch):
    """One block, or many with a part at the end: the same to the bit, as CHUNK divides a block."""
    covered = np.ones(N_VOXELS, dtype=bool)
    whole, noise = fit(tmp_path, series, matrix, covered, in_percent=True)
    monkeypatch.setattr(scratch, "BLOCK", mixture.CHUNK)
    assert N_VOXELS % mixture.CHUNK
    parts, same = fit(tmp_path, series, matrix, covered, in_percent=True)
    for name in ("beta", "sigma2", "ar1", "rsquared"):
        np.testing.assert_array_equal(getattr(parts.maps, name), getattr(whole.maps, name))
    np.testing.assert_array_equal(same.posterior, noise.posterior)
    assert same.mixture.processes.coefficients.tobytes() == noise.mixture.processes.coefficients.tobytes()


def test_the_noise_is_learnt_from_voxels_that_vary(tmp_path, series, matrix, monkeypatch):
    """Every so many of those that the run has; a brain with air around it teaches the same as the brain."""
    monkeypatch.setattr(mixture_learning, "N_SAMPLED", 100)
    brain = series[:, 5:600]
    air = np.zeros((N_SCANS, 3000), dtype=np.float32)
    alone = fit(tmp_path, brain, matrix, np.ones(brain.shape[1], bool), in_percent=True)[1]
    both = np.hstack([air[:, :1000], brain, air[:, 1000:]])
    found = fit(tmp_path, both, matrix, np.ones(both.shape[1], bool), in_percent=True)[1]
    assert found.n_sampled == alone.n_sampled == len(mixture_learning.sampled(brain.shape[1]))
    np.testing.assert_allclose(found.mixture.shares, alone.mixture.shares, rtol=1e-9, atol=0)
    np.testing.assert_array_equal(found.posterior[:, 1000:1595], alone.posterior)
    assert not found.posterior[:, :1000].any()


def test_the_noise_of_a_box_is_not_learnt_from_one_plane(tmp_path, matrix, monkeypatch):
    """Every tenth voxel would lie in the plane of air, whose noise is white, of rows of ten voxels."""
    monkeypatch.setattr(mixture_learning, "N_SAMPLED", 70)
    rng = np.random.default_rng(2)
    made = rng.standard_normal((N_SCANS + 50, N_VOXELS))
    is_air = np.arange(N_VOXELS) % 10 == 0
    for scan in range(1, len(made)):
        made[scan] += np.where(is_air, 0.0, 0.8) * made[scan - 1]
    box, covered = np.ones((10, 7, 10), dtype=bool), np.ones(N_VOXELS, dtype=bool)
    data = (850 + 8 * made[50:]).astype(np.float32)
    first, found = fit(tmp_path, data, matrix, covered, in_percent=True, inside=box)
    assert found.n_sampled == len(mixture_learning.sampled(N_VOXELS, np.nonzero(box))) < 70
    assert np.median(first.maps.ar1[~is_air]) > 0.6
    assert abs(np.median(first.maps.ar1[is_air])) < 0.2
