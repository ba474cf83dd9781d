"""Priors from neighbours against sums in plain sight, and what they do for noise that lies together."""

import numpy as np
import pytest
import scipy
from two_conditions import matrix_of

from firstlevel.glm import local_prior, mixture
from firstlevel.glm.autoregression import Processes
from firstlevel.glm.dependence import factorise


@pytest.mark.parametrize("quarter", [False, True])
def test_prior_is_the_weighted_mean_of_neighbours_without_the_voxel_itself(quarter):
    """Weights, masks, repetitions and the share of all voxels, voxel by voxel; it sums to 1."""
    rng = np.random.default_rng(0)
    inside = rng.random((7, 6, 5)) < 0.6
    inside[6, 5, 4], inside[3:, 2:, 1:] = True, False
    inside[6, 5, 4] = True  # nobody within three voxels of it
    known = local_prior.thinned(inside) if quarter else inside
    where, of_known = np.argwhere(inside), known[inside]
    shares = np.array([0.5, 0.3, 0.2])
    posterior = rng.dirichlet(np.ones(3), of_known.sum()).T
    found = local_prior.local_prior(posterior, known, inside, shares)
    apart = where[:, np.newaxis] - where
    weights = np.exp(-0.5 * (apart**2).sum(axis=2) / local_prior.WIDTH**2)
    weights[(np.abs(apart) > local_prior.CUT).any(axis=2)] = 0.0
    np.fill_diagonal(weights, 0.0)
    weights = weights[:, of_known]
    likelihood, expected = posterior / shares[:, np.newaxis], posterior
    for _ in range(local_prior.N_TIMES):
        total = weights.sum(axis=1)
        near = np.where(total > 0, expected @ weights.T / np.maximum(total, 1e-300), shares[:, np.newaxis])
        prior = (1 - local_prior.GLOBAL) * near + local_prior.GLOBAL * shares[:, np.newaxis]
        expected = prior[:, of_known] * likelihood
        expected /= expected.sum(axis=0)
    np.testing.assert_allclose(found, prior, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=0), 1.0, rtol=1e-12, atol=0)
    alone = np.flatnonzero((where == [6, 5, 4]).all(axis=1))
    np.testing.assert_allclose(found[:, alone[0]], shares, rtol=1e-12, atol=0)


def test_neighbours_tell_what_noise_a_voxel_has():
    """Half of a volume is white, half AR(1): the right process is surer where neighbours are used."""
    n_scans, shape = 60, (12, 10, 8)
    inside = np.ones(shape, dtype=bool)
    is_white = np.indices(shape)[0][inside] < 6
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((n_scans + 100, inside.sum()))
    coloured = scipy.signal.lfilter([1.0], [1.0, -0.35], noise, axis=0)[100:]
    data = np.where(is_white, noise[100:], coloured)
    mixed = mixture.Mixture(Processes(np.array([[0.0], [0.35]])), np.array([0.5, 0.5]))
    weighted = mixture.Weighted.of(mixed, factorise(matrix_of(n_scans)).basis)
    first = weighted.fit(data)
    np.testing.assert_array_equal(weighted.posterior(data), first.posterior)
    known = local_prior.thinned(inside)
    assert 0.2 < known.mean() < 0.3
    prior = local_prior.local_prior(first.posterior[:, known.ravel()], known, inside, mixed.shares)
    second = weighted.fit(data, prior)
    wrong = [1 - np.where(is_white, *fitted.posterior).mean() for fitted in (first, second)]
    assert wrong[1] < wrong[0] / 2, wrong
