"""Volumes that a scanner measures of a head, and what they are made of."""

import numpy as np

from firstlevel.simulation import head, measurement, movement

ESTIMATED = 0.03  # of a correlation, and of the noise: the median over thousands of voxels is far closer


def test_noise_has_the_deviation_and_the_autocorrelation_asked_for():
    """Without motion, drift and response, the brain varies by AR(1) noise in percent of its signal."""
    still = head.make_head(*head.templates(), [8.0] * 3, activation=0.0)
    shape, n_scans = [20, 22, 14], 150
    affines = np.repeat(movement.scanner_affine(shape, [8.0, 8.0, 9.0])[np.newaxis], n_scans, axis=0)
    nothing = (np.zeros((n_scans, 2)), np.zeros_like(still.responses))
    measured = measurement.volumes(
        still, np.zeros((n_scans, 2)), nothing, affines, shape, 1.5, 0.4, np.random.default_rng(3)
    )
    bold = np.array(list(measured), dtype=np.float64)
    bold = bold[:, bold.mean(axis=0) > 600]
    error = 100 * (bold / bold.mean(axis=0) - 1)
    correlation = (error[1:] * error[:-1]).sum(axis=0) / (error**2).sum(axis=0)
    np.testing.assert_allclose(np.median(correlation), 0.4, rtol=0, atol=ESTIMATED)
    np.testing.assert_allclose(np.median(error.std(axis=0)), 1.5, rtol=ESTIMATED, atol=0)
