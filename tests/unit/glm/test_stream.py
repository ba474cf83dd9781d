"""The fit of a run from sums that are taken scan by scan, against the fit of its series."""

import numpy as np
import pytest
from nilearn.glm.first_level.first_level import run_glm
from two_conditions import matrix_of

from firstlevel.glm import fit as glm
from firstlevel.glm import noise, run_sums, stream

OF_SIGMA = 1e-9
"""Relative to the noise: the same fit from sums, whose differences lose at most four of sixteen digits."""
OF_R2 = {"rtol": 1e-6, "atol": 1e-5}
"""Of a mean of 1e4 and a deviation of 0.2, which is squared: eight digits go in the fit of the series."""
OF_SUMS = [name for name, one in noise.MODELS.items() if not one.needs_series]
"""Noise models whose fit follows from sums over time."""
N_SCANS, N_VOXELS = 122, 300  # the last chunk is not full


@pytest.fixture(scope="module")
def matrix():
    return matrix_of(N_SCANS)


@pytest.fixture(scope="module")
def series(matrix):
    """Voxels about 850 with activation and AR(1) noise, and hard ones, (n, v) in single precision."""
    rng, rho = np.random.default_rng(1), np.linspace(-0.4, 0.8, N_VOXELS)
    made = rng.standard_normal((N_SCANS, N_VOXELS))
    for scan in range(1, N_SCANS):
        made[scan] += rho * made[scan - 1]
    made = 850 + 8 * made + 12 * matrix[:, :4] @ rng.standard_normal((4, N_VOXELS))
    made[:, 0] = 731.7  # never changes
    made[0, 1:20] += 600  # before the steady state
    made[0, 20] += 1e6
    made[:, 21] = 850 + 40 * matrix[:, 0] + 2e-2 * rng.standard_normal(N_SCANS)  # next to no noise
    made[:, 22] = 1e4 + 0.2 * rng.standard_normal(N_SCANS)
    made[:, 23] += 3e4 * matrix[:, 4]  # drift far above the noise
    made[:, 24] = -850 + 8 * rng.standard_normal(N_SCANS)
    made[:, 25] = 0.2 + 8 * rng.standard_normal(N_SCANS)
    made[N_SCANS // 2, 26] += 3e4
    return made.astype(np.float32)


def fit_run(series, matrix, noise_model, in_percent, covered=None, kept=None, reads=None):
    """Fit of a stream of scans; counts the voxels that are read again into `reads`."""
    model = glm.Design.of(matrix)
    kept = np.ones(len(series), dtype=bool) if kept is None else kept
    sums = run_sums.RunSums.of(iter(series), model.factors.basis, kept, series.shape[1])

    def again(voxels):
        if reads is not None:
            reads.extend(voxels.tolist())
        for part in np.array_split(voxels, min(2, len(voxels))):
            yield part, series[:, part]

    covered = np.ones(series.shape[1], dtype=bool) if covered is None else covered
    return stream.fit_run(sums, model, noise_model, covered, again, in_percent=in_percent)


def of_series(series, matrix, noise_model, in_percent):
    """Fit of the series themselves, whatever reads them."""
    data = series.astype(np.float64)
    model, plain = glm.Design.of(matrix), data[:, np.ptp(data, axis=0) > 0]
    run = noise.prepare(
        noise_model, model.factors.basis, lambda: noise_autocorrelation(plain, model.factors.basis)
    )
    return glm.fit(glm.percent_signal_change(data) if in_percent else data, model, noise_model, run)


def noise_autocorrelation(data, basis):
    e = data - basis @ (basis.T @ data)
    return float(np.mean((e[1:] * e[:-1]).sum(axis=0) / (e**2).sum(axis=0)))


def without_constant(matrix):
    """The design less its constant: the data keep a mean that nothing explains."""
    return matrix[:, :-1]


@pytest.mark.parametrize("change", [np.asarray, without_constant])
@pytest.mark.parametrize("in_percent", [True, False])
@pytest.mark.parametrize("noise_model", OF_SUMS)
def test_fit_of_a_stream_is_that_of_the_series(series, matrix, noise_model, in_percent, change):
    """Within 1e-9 of sigma at every voxel, hard ones too; 0 where the voxel never changes."""
    matrix = change(matrix)
    found = fit_run(series, matrix, noise_model, in_percent).maps
    expected = of_series(series, matrix, noise_model, in_percent)
    varies = np.ptp(series, axis=0) > 0
    for values in (found.beta.T, found.sigma2, found.ar1, found.rsquared):
        assert not values[~varies].any()
    sigma = np.sqrt(expected.sigma2[varies])
    np.testing.assert_allclose(found.ar1[varies], expected.ar1[varies], rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.sqrt(found.sigma2[varies]) / sigma, 1, rtol=0, atol=OF_SIGMA)
    difference = (found.beta - expected.beta)[:, varies] / sigma
    np.testing.assert_allclose(difference, np.zeros_like(difference), rtol=0, atol=OF_SIGMA)
    np.testing.assert_allclose(found.rsquared[varies], expected.rsquared[varies], **OF_R2)


@pytest.mark.parametrize("noise_model", ["ols", "ar1"])
def test_fit_of_a_stream_is_that_of_nilearn(series, matrix, noise_model):
    """Nilearn's run_glm on the scaled series, where these have noise."""
    plain = series[:, 27:]
    found = fit_run(plain, matrix, noise_model, in_percent=True).maps
    labels, results = run_glm(glm.percent_signal_change(plain.astype(float)), matrix, noise_model=noise_model)
    for label, result in results.items():
        at, sigma = labels == label, np.sqrt(result.dispersion)
        np.testing.assert_allclose((found.beta[:, at] - result.theta) / sigma, 0, rtol=0, atol=1e-8)
        np.testing.assert_allclose(found.sigma2[at] / result.dispersion, 1, rtol=0, atol=1e-8)


def test_only_voxels_that_are_nearly_without_residuals_are_read_again(series, matrix):
    """One volume before the steady state is none of them, nor is a spike; they are few."""
    reads = []
    fit_run(series, matrix, "ar1", in_percent=True, reads=reads)
    assert set(reads) == {21, 23}
    assert len(reads) == 2


def test_noise_free_data_have_no_variance(matrix):
    """Data that the design explains to the last bit have sigma2 0, as the fit of the series says."""
    exact = (512 + 64 * np.round(8 * matrix[:, :1]) / 8).astype(np.float32)
    design = np.column_stack([exact[:, 0], np.ones(N_SCANS)])
    found = fit_run(np.repeat(exact, 3, axis=1), design, "ar1", in_percent=False)
    assert not found.maps.sigma2.any()
    assert found.n_missing == 3
    assert found.n_constant == 0
    np.testing.assert_array_equal(found.tsnr, 0)


def test_tsnr_is_mean_over_deviation_of_the_residuals(series, matrix):
    """By lstsq, with the degrees of freedom of the residuals; censored scans are left out."""
    kept = np.ones(N_SCANS, dtype=bool)
    kept[[0, 60]] = False
    whole, data = np.column_stack([np.eye(N_SCANS)[:, ~kept], matrix]), series.astype(np.float64)
    for design, has_constant in ((whole, True), (whole[:, :-1], False)):
        left = data - data.mean(axis=0)
        left -= design @ np.linalg.lstsq(design, left)[0]
        dof = N_SCANS - np.linalg.matrix_rank(design) - (not has_constant)
        deviation = np.sqrt(N_SCANS * left.var(axis=0)[1:] / dof)
        found = fit_run(series, design, "ar1", True, kept=kept).tsnr
        assert found[0] == 0
        known = np.arange(1, N_VOXELS) if has_constant else np.r_[1:24, 26:N_VOXELS]  # of a mean above 1
        expected = data[kept].mean(axis=0)[known] / deviation[known - 1]
        np.testing.assert_allclose(found[known], expected, rtol=1e-6, atol=0)


def test_signal_and_change_are_those_of_each_volume(series, matrix):
    """Mean over voxels, and root mean square of the differences, by numpy."""
    basis = glm.Design.of(matrix).factors.basis
    sums = run_sums.RunSums.of(iter(series), basis, np.ones(N_SCANS, dtype=bool), N_VOXELS)
    data = series.astype(np.float64)
    np.testing.assert_allclose(sums.signal, data.mean(axis=1), rtol=1e-12, atol=0)
    change = np.sqrt((np.diff(data, axis=0) ** 2).mean(axis=1))
    np.testing.assert_allclose(sums.change, np.append(0, change), rtol=1e-10, atol=0)
    np.testing.assert_allclose(sums.mean, data.mean(axis=0), rtol=1e-12, atol=0)


def cosines(n_scans, n_columns):
    """Orthonormal drift, as a discrete cosine transform has it."""
    times = np.arange(n_scans)[:, None] + 0.5
    return np.linalg.qr(np.cos(np.pi * times * np.arange(n_columns) / n_scans))[0]


@pytest.mark.parametrize(
    ("extra", "most"),
    [
        (np.zeros((300, 0)), 1),  # kept alone
        (np.eye(300)[:, [0, 1, 40, 299]], 5),  # censored scans, among them those at the ends
        (np.eye(300)[:, [0]] + 1e-9 * np.sin(np.arange(300.0))[:, None], 4),  # as good as one
        (np.random.default_rng(0).standard_normal((300, 3)), 4),
    ],
)
def test_products_with_neighbours_come_back_from_few_more(extra, most):
    """Of 40 cosines and some other columns: to rounding, with one column more for each that is no cosine."""
    basis = np.linalg.qr(np.column_stack([cosines(300, 40), extra]))[0]
    kept = np.arange(300) % 7 > 0
    columns = np.column_stack([run_sums.neighbours(basis), np.ones(300), kept])
    more, expansion = run_sums.beyond(basis, columns)
    assert more.shape[1] <= most
    np.testing.assert_allclose(more.T @ more, np.eye(more.shape[1]), rtol=0, atol=1e-12)
    ends = np.eye(300)[:, [0, -1]]
    np.testing.assert_allclose(np.column_stack([basis, more, ends]) @ expansion, columns, rtol=0, atol=1e-12)
    assert np.abs(expansion).max() < 100


def test_voxels_that_are_not_covered_are_missing(series, matrix):
    """All maps are 0 there, and the mean is that of the others."""
    covered = np.arange(N_VOXELS) % 3 > 0
    found = fit_run(series, matrix, "ar1_pooled", in_percent=True, covered=covered)
    for values in (found.maps.beta.T, found.maps.sigma2, found.maps.rsquared):
        assert not values[~covered].any()
    assert found.n_missing == (~covered).sum()
    np.testing.assert_allclose(found.mean, series[:, covered].astype(np.float64).mean(), rtol=1e-9)


@pytest.mark.parametrize("n_scans", [25, 16, 17, 32])
def test_chunks_of_any_length_are_summed_up(series, matrix, n_scans):
    """The last may have one scan, or as many as the others."""
    short = np.column_stack([matrix[:n_scans, :2], np.ones(n_scans)])
    found = fit_run(series[:n_scans], short, "ar1", in_percent=True).maps
    expected = of_series(series[:n_scans], short, "ar1", in_percent=True)
    sigma = np.sqrt(expected.sigma2[1:])
    np.testing.assert_allclose((found.beta - expected.beta)[:, 1:] / sigma, 0, rtol=0, atol=OF_SIGMA)
