"""The program of ``make validate-noise``: noises are what they claim, references what they document."""

import importlib
import os
import sys

import numpy as np
import pytest
import scipy.linalg
import scipy.special
import statsmodels.api as sm
from statsmodels.tsa.arima_process import ArmaProcess
from studies import ROOT

EXACT = 1e-9
"""Of sums of some hundred numbers, whose rounding is far smaller."""
FAR = 5.5
"""Standard errors: of some thousand covariances, one is as far by chance in a million."""
NAMES = (
    "noises", "other_models", "noise_cells", "noise_tests", "noise_tables", "noise_facts", "noise_figure",
    "noise_models",
)  # fmt: skip
N, TR, VOXELS = 20, 2.0, 20_000


@pytest.fixture
def program(monkeypatch):
    """Its modules by name; what they set for their own process is undone."""
    monkeypatch.setattr("os.environ", os.environ.copy())
    monkeypatch.setattr(sys, "path", [str(ROOT / "tests/validation"), *sys.path])
    return {name: importlib.import_module(name) for name in NAMES}


@pytest.fixture
def noises(program):
    return program["noises"]


def test_autocorrelations_are_those_of_statsmodels(noises):
    """AR, MA and ARMA up to order (2, 1), by lags."""
    for ar, ma in (
        ((0.3,), ()),
        ((0.8,), (-0.4,)),
        ((1.1, -0.5), (0.4,)),
        ((1.3, -0.35), (-0.6,)),
        ((), (0.6,)),
    ):
        theirs = ArmaProcess([1, *(-a for a in ar)], [1, *ma]).acf(lags=60)
        np.testing.assert_allclose(noises.arma(ar, ma)(60, TR), theirs, rtol=0, atol=EXACT)
    np.testing.assert_allclose(noises.ar1(0.3)(60, TR), noises.arma((0.3,), ())(60, TR), rtol=0, atol=EXACT)


def test_long_memory_falls_as_a_power(noises):
    """rho_k is k^(2d - 1) times Gamma(1 - d) / Gamma(d) for long lags (Hosking 1981)."""
    d, n = 0.35, 4000
    limit = scipy.special.gamma(1 - d) / scipy.special.gamma(d) * (n - 1.0) ** (2 * d - 1)
    np.testing.assert_allclose(noises.long_memory(d)(n, TR)[-1], limit, rtol=1e-3)


def test_slow_noise_has_its_spectrum(noises):
    """Of 1/f noise, the spectrum falls by the ratio of 1 / (f + 0.004), within what 2,000 scans resolve."""
    n = 2000
    acf = noises.one_over_f(n, TR)
    taper = np.r_[1.0, 2 * (1 - np.arange(1, n) / n)]
    power = [np.sum(taper * acf * np.cos(2 * np.pi * f * TR * np.arange(n))) for f in (0.02, 0.1)]
    np.testing.assert_allclose(power[0] / power[1], (0.1 + 0.004) / (0.02 + 0.004), rtol=0.02)


@pytest.mark.parametrize("correlated", [False, True])
def test_series_have_the_covariance_that_is_claimed(noises, correlated):
    """Products of all pairs of scans, each noise, against its covariance; wrong ones are found."""
    rng = np.random.default_rng(5)
    for name, noise in noises.NOISES.items():
        numbers = noises.independent(name, N, VOXELS, rng)
        y = noises.series(name, N, TR, numbers if not correlated else np.cumsum(numbers, axis=0))
        products = y[:, np.newaxis] * y
        error = products.std(axis=2) / np.sqrt(VOXELS)
        distance = np.abs(products.mean(axis=2) - noise.covariance(N, TR)) / error
        assert (distance.max() < FAR) is not correlated, (name, distance.max())
        np.testing.assert_allclose(np.diag(noise.covariance(N, TR)).mean(), 1.0, rtol=EXACT)


def test_varied_noise_has_a_covariance_of_each_voxel(noises):
    """Products of neighbours, against a share x coefficient, over many voxels."""
    rng = np.random.default_rng(6)
    of_voxel = noises.varied(VOXELS, rng)
    y = noises.series(noises.VARIED, N, TR, noises.independent(noises.VARIED, N, VOXELS, rng), of_voxel)
    a, share = of_voxel
    for lag in range(4):
        left = (y[lag:] * y[: N - lag]).mean(axis=0) - (share * a**lag if lag else 1.0)
        for weights in (np.ones(VOXELS), a - a.mean(), share - share.mean()):
            assert abs((weights * left).sum()) < FAR * (weights * left).std() * np.sqrt(VOXELS)


def test_smooth_numbers_have_unit_variance_and_neighbours(program):
    cells = program["noise_cells"]
    numbers = cells.smooth_numbers(60, 2.0, np.random.default_rng(7)).reshape(60, *cells.SHAPE)
    beside = np.mean(numbers[:, 1:] * numbers[:, :-1])
    # of a Gaussian kernel of s voxels, neighbours correlate by exp(-1 / (4 s^2)); sampled, a little less
    expected = np.exp(-8 * np.log(2) / 4 / 4)
    print(np.var(numbers), beside, expected)
    assert abs(np.var(numbers) - 1) < 0.02
    assert abs(beside - expected) < 0.03


@pytest.fixture
def design(noises):
    return noises.random_design("events", 120, TR, np.random.default_rng(8))


def t_of_gls(design, y, covariance):
    fit = sm.GLS(y, design.matrix, sigma=covariance).fit()
    return fit.tvalues[design.names.index("a")], fit.bse[design.names.index("a")]


def test_oracle_is_that_of_statsmodels(program, noises, design):
    """The t of GLS with the true covariance, for a noise of all voxels and for one of each voxel."""
    rng, other = np.random.default_rng(9), program["other_models"]
    covariance = noises.NOISES["physiology"].covariance(120, TR)
    y = rng.standard_normal((120, 3))
    found, error = other.oracle(design, y, noises.factor("physiology", 120, TR))
    expected = [t_of_gls(design, y[:, v], covariance) for v in range(3)]
    np.testing.assert_allclose(found.effect / np.sqrt(found.variance), [t for t, _ in expected], rtol=1e-8)
    of_voxel = noises.varied(3, rng)
    found_each, error_each = other.oracle_of_varied(design, y, of_voxel)
    inverses = []
    for v, (a, share) in enumerate(of_voxel.T):
        matrix = scipy.linalg.toeplitz(noises.ar1(a, share)(120, TR))
        t, _ = t_of_gls(design, y[:, v], matrix)
        np.testing.assert_allclose(found_each.effect[v] / np.sqrt(found_each.variance[v]), t, rtol=1e-8)
        inverses.append(np.linalg.inv(design.matrix.T @ np.linalg.solve(matrix, design.matrix)))
    at = design.names.index("a")
    np.testing.assert_allclose(error_each, [np.sqrt(inverse[at, at]) for inverse in inverses], rtol=1e-8)
    whole = np.linalg.inv(design.matrix.T @ np.linalg.solve(covariance, design.matrix))
    np.testing.assert_allclose(error, np.sqrt(whole[at, at]), rtol=1e-8)


def test_innovations_are_white_and_know_the_determinant(program, noises):
    """Of a unit matrix they are the inverse Cholesky factor of the covariance."""
    white, half = program["other_models"].innovations(np.eye(30), 0.7, -0.3)
    acf = noises.arma((0.7,), (-0.3,))(30, TR)
    covariance = scipy.linalg.toeplitz(acf) * (1 + (0.7 - 0.3) ** 2 / (1 - 0.7**2))
    np.testing.assert_allclose(white @ covariance @ white.T, np.eye(30), rtol=0, atol=EXACT)
    np.testing.assert_allclose(2 * half, np.linalg.slogdet(covariance)[1], rtol=EXACT)


def test_arma11_is_the_best_of_the_grid_by_dense_matrices(program, noises, design):
    """The restricted likelihood of every pair, from whole covariances, and t of statsmodels there."""
    other = program["other_models"]
    y = noises.series("ARMA(1,1)", 120, TR, np.random.default_rng(10).standard_normal((120, 2)))
    found = other.arma11(design, y)
    grid = other.arma_grid()
    assert len(grid) == 109
    assert (0.8, -0.7) in [(round(a, 9), round(b, 9)) for a, b in grid]
    for v in range(2):
        likelihoods = []
        for a, b in grid:
            covariance = scipy.linalg.toeplitz(noises.arma((a,), (b,))(120, TR))
            inverse = np.linalg.inv(covariance)
            cross = design.matrix.T @ inverse @ design.matrix
            left = y[:, v] - design.matrix @ np.linalg.solve(cross, design.matrix.T @ inverse @ y[:, v])
            determinants = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(cross)[1]
            free = 120 - design.matrix.shape[1]
            likelihoods.append(-determinants / 2 - free / 2 * np.log(left @ inverse @ left))
        a, b = grid[int(np.argmax(likelihoods))]
        t, _ = t_of_gls(design, y[:, v], scipy.linalg.toeplitz(noises.arma((a,), (b,))(120, TR)))
        np.testing.assert_allclose(found.effect[v] / np.sqrt(found.variance[v]), t, rtol=1e-7)


def test_pooled_covariance_is_found_where_it_is_of_the_model(program, design):
    """A sample covariance that is V itself gives V back, for V = a^k (1 + c k), a = 0.2."""
    other = program["other_models"]
    lag = np.abs(np.subtract.outer(np.arange(120), np.arange(120)))
    covariance = 0.2**lag * (1 + 0.7 * lag)
    sample = np.linalg.cholesky(covariance) * np.sqrt(120)
    columns, cosines = design.matrix[:, ~design.is_drift], design.matrix[:, design.is_drift]
    found = other.pooled_covariance(columns, cosines, sample)
    np.testing.assert_allclose(found, covariance, rtol=0, atol=1e-4)


def test_draws_are_what_the_cell_says(program):
    """Seeds by cell and draw; censored columns; active voxels apart; unlike noises in like numbers."""
    cells = program["noise_cells"]
    cell = cells.Cell("x", "blocks 20", 128, 2.0, voxels=140, censored=0.1, active=0.05)
    one, again, other = cells.simulate(cell, 0), cells.simulate(cell, 0), cells.simulate(cell, 1)
    np.testing.assert_array_equal(one.data[0], again.data[0])
    assert not np.allclose(one.data[0], other.data[0])
    assert (~one.null).sum() == 7
    assert np.bincount(one.noise).tolist() == [20] * 7
    assert sum(name.startswith("censor_") for name in one.designs[0].names) == 13
    names = [cell.name for cell in cells.cells()]
    assert len(names) == len(set(names))


def test_rates_are_counted_and_pooled(program):
    """Two draws of two noises: shares over all voxels, the spread between draws as error."""
    tables, cells = program["noise_tables"], program["noise_cells"]
    hits = np.array([[5, 1, 0], [7, 1, 0]])
    whole, error = tables.rate(hits, np.array([100, 100]))
    np.testing.assert_allclose(whole, [0.06, 0.01, 0.0])
    np.testing.assert_allclose(error[0], max(np.sqrt(0.06 / 200), 0.01 * np.sqrt(2) / np.sqrt(2)))
    cell = cells.Cell("table", "events", 42, 7.0, brain=("white", "AR(1) .3"), models=("ols",))
    noise = {"voxels": 100, "median": 0.0, "iqr": 1.349, "hits": {"t": [5, 1, 0]}, "tails": [100, 60]}
    draw = {"seconds": 1.0, "noises": [{"noise": name, **noise} for name in cell.brain]}
    rows = list(tables.summed(cell, "ols", [draw, draw]))
    assert [row[6] for row in rows] == ["all", "white", "AR(1) .3"]
    assert rows[0][8:10] == ["400", "5"]
    assert rows[0][-1] == "400 240"


def test_a_program_that_was_interrupted_goes_on(program, tmp_path):
    """A line that was cut off is not read."""
    found = tmp_path / "found.jsonl"
    found.write_text('{"cell": "a", "model": "ols", "draw": 0}\n{"cell": "a", "mod')
    assert [one["draw"] for one in program["noise_models"].read(found)] == [0]


def test_page_shows_what_the_numbers_make(program):
    """The tables of docs/validation.md are those of the committed numbers, to the letter."""
    tables = program["noise_tables"]
    text = tables.tables(tables.read(tables.NUMBERS), program["noise_facts"].read())
    page = (ROOT / "docs/validation.md").read_text()
    assert page.split(tables.MARKS[0])[1].split(tables.MARKS[1])[0].strip() == text
