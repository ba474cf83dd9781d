"""Single trials with the noise of the run's fit, against a loop of dense GLS fits on nilearn's designs."""

from pathlib import Path

import numpy as np
import pytest
import scipy
from statsmodels.regression.linear_model import GLS
from statsmodels.tsa.arima_process import arma_acovf
from trial_runs import N_SCANS, columns_of, nilearn_design, options, saved_design, table, trials

from firstlevel.glm import (
    arma_process,
    mixture,
    mixture_contrasts,
    mixture_effects,
    saved_noise,
    single_trials,
)
from firstlevel.glm.autoregression import Processes
from firstlevel.glm.dependence import factorise
from firstlevel.inference.tails import t_to_z
from firstlevel.io.event_table import Event

AS_DENSE = 1e-6
"""In standard errors: what nilearn's own sampling of events differs by; the dense matrices agree to 1e-12."""
SAME_ARITHMETIC = 1e-10
OFF_LEVEL = {0.05: 0.1, 0.01: 0.2}
"""Of a rate, relative: four standard errors of 60,000 tests, and a few percent, as the posterior has seen the
deviation of the trial, too, which makes t of null data a little small."""
OF_Z = {0.5: 0.005, 0.99: 0.06}
"""Of contrasts from files against fits, by quantiles over voxels, as in tests of the contrasts."""
N_VOXELS = 12
CENSORED = (50, 51, 120)
PROCESSES = Processes(
    np.array([[0.0, 0.0, 0.0], [0.6, 0.0, 0.0], [0.5, -0.2, 0.3], [-0.3, 0.1, 0.0], [0.7, 0.1, 0.1]])
)
"""White noise, AR(1) and others."""


@pytest.fixture(scope="module")
def data():
    """Correlated noise with drift, and responses to all events that differ from voxel to voxel."""
    rng = np.random.default_rng(1)
    noise = scipy.signal.lfilter([1.0], [1.0, -0.5, 0.2], rng.standard_normal((N_SCANS, N_VOXELS)), axis=0)
    noise += np.outer(np.linspace(-2, 5, N_SCANS), rng.standard_normal(N_VOXELS))
    return 100 + noise + columns_of(trials()).sums().sum(axis=(1, 2))[:, None] * rng.standard_normal(N_VOXELS)


def learnt(n_processes, seed=0):
    """Posterior in 255ths over the first processes: one is certain at the first voxels, others impossible."""
    posterior = np.random.default_rng(seed).dirichlet(np.ones(n_processes), N_VOXELS).T
    posterior[:, 0] = np.eye(n_processes)[0]
    posterior[:, 1] = np.eye(n_processes)[-1]
    return saved_noise.ProcessNoise(
        Processes(PROCESSES.coefficients[:n_processes]), mixture.to_bytes(posterior)
    )


def covariances(noise):
    """Dense V of each process, for innovations of variance 1."""
    if isinstance(noise, saved_noise.ArmaNoise):
        return [
            scipy.linalg.toeplitz(arma_acovf([1.0, -a], [1.0, b], N_SCANS))
            for a, b in arma_process.GRID[np.unique(noise.numbers)]
        ]
    acf = noise.processes.autocorrelations(N_SCANS - 1) * noise.processes.variance[:, None]
    return [scipy.linalg.toeplitz(row) for row in acf]


def weights_of(noise):
    """Probability of each covariance at each voxel, (G, v)."""
    if isinstance(noise, saved_noise.ArmaNoise):
        return (np.unique(noise.numbers)[:, None] == noise.numbers).astype(float)
    return noise.posterior / noise.posterior.sum(axis=0)


def fitted(kind, columns, data, noise, step=5):
    """Beta and t of all voxels, (m, v), in blocks."""
    model = single_trials.model_of(kind, columns, Path("design.tsv"))
    beta, t = np.empty((2, len(columns.events), data.shape[1]))

    def blocks():
        for low in range(0, data.shape[1], step):
            yield slice(low, min(low + step, data.shape[1])), data[:, low : low + step]

    for part, of_beta, of_t in single_trials.fit(model, blocks, "of the fit", noise):
        beta[:, part], t[:, part] = of_beta, of_t
    return beta, t


def design_of(kind, events, place, hrf_model, censored):
    """Nilearn's design of the model of one trial, which has the name trial."""
    renamed = {f"_{place}": "trial"}
    if kind == "lsa":
        others = [k for k, event in enumerate(events) if event.trial_type != "answers" and k != place]
        renamed |= {f"_{k}": f"other{k:03d}" for k in others}
    return nilearn_design(table(events, **renamed), hrf_model=hrf_model, censored=censored)


def by_dense_gls(design, data, noise):
    """Beta and standard error of the trial: statsmodels' GLS of each covariance, averaged over them."""
    contrast = (design.columns == "trial").astype(float)
    effects, variances = np.empty((2, len(covariances(noise)), data.shape[1]))
    for g, covariance in enumerate(covariances(noise)):
        for voxel in range(data.shape[1]):
            tested = GLS(data[:, voxel], design.to_numpy(), sigma=covariance).fit().t_test(contrast)
            effects[g, voxel] = np.squeeze(tested.effect)
            variances[g, voxel] = np.squeeze(tested.sd) ** 2
    weights = weights_of(noise)
    mean = (weights * effects).sum(axis=0)
    variance = (weights * (variances + (effects - mean) ** 2)).sum(axis=0)
    return mean, np.sqrt(variance)


def same(ours, theirs):
    """Beta is the same to a part of its standard error, t to as much."""
    mean, error = theirs
    np.testing.assert_allclose(ours[0] / error, mean / error, rtol=0, atol=AS_DENSE)
    np.testing.assert_allclose(ours[1], mean / error, rtol=0, atol=AS_DENSE)


def of_pairs():
    """ARMA noise: a pair at several voxels, white noise, large and negative coefficients."""
    pairs = np.array([(0, 0), (5, -3), (8, 8), (8, -7), (2, 4), (5, -3)] * 2)
    return saved_noise.ArmaNoise.of(0.1 * pairs.T)


@pytest.mark.parametrize("noise", [learnt(2), learnt(5), of_pairs()], ids=["two", "five", "arma"])
@pytest.mark.parametrize("censored", [(), CENSORED], ids=["all", "censored"])
@pytest.mark.parametrize("hrf_model", ["spm", "spm + derivative"])
@pytest.mark.parametrize("kind", ["lsa", "lss"])
def test_trials_are_those_of_a_loop_of_dense_gls(data, kind, hrf_model, censored, noise):
    """Each trial's own design by nilearn, each covariance dense, each voxel by itself."""
    events = trials(14)
    columns = columns_of(events, options(hrf_model), censored=censored)
    beta, t = fitted(kind, columns, data, noise)
    for trial in (0, 6, 13):
        design = design_of(kind, events, columns.rows[trial] - 2, hrf_model, censored)
        same((beta[trial], t[trial]), by_dense_gls(design, data, noise))


def test_mean_over_the_delays_of_an_fir_model(data):
    """Three regressors of a trial: sums of their coefficients and covariances by dense matrices."""
    events = [Event(2.0 * round(e.onset / 2), 0.0, e.trial_type) for e in trials(12)]
    columns = columns_of(events, options("fir", fir_delays=(1, 2, 3), fir_unit="scans"))
    noise = learnt(3)
    for kind in ("lsa", "lss"):
        beta, t = fitted(kind, columns, data, noise)
        for trial in (0, 11):
            own = columns.sampled[:, trial]
            others = np.delete(columns.sampled, trial, axis=1)
            if kind == "lss":
                of_others = np.delete(columns.condition_of, trial)
                others = np.stack([others[:, of_others == c].sum(axis=1) for c in (0, 1)], axis=1)
            design = np.hstack([own, others.reshape(N_SCANS, -1), columns.others])
            effects, variances = np.empty((2, 3, N_VOXELS))
            for g, covariance in enumerate(covariances(noise)):
                for voxel in range(N_VOXELS):
                    found = GLS(data[:, voxel], design, sigma=covariance).fit()
                    effects[g, voxel] = found.params[:3].mean()
                    variances[g, voxel] = found.cov_params()[:3, :3].mean()
            weights = weights_of(noise)
            mean = (weights * effects).sum(axis=0)
            variance = (weights * (variances + (effects - mean) ** 2)).sum(axis=0)
            same((beta[trial], t[trial]), (mean, np.sqrt(variance)))


@pytest.mark.parametrize("kind", ["lsa", "lss"])
def test_white_noise_alone_is_least_squares(data, kind):
    """As the model ols; of a condition of one trial, too, which has no others beside it."""
    alone = Event(61.0, 1.0, "scrambled")
    events = sorted([*(e for e in trials(12) if e.trial_type != "scrambled"), alone], key=lambda e: e.onset)
    columns = columns_of(events)
    model = single_trials.model_of(kind, columns, Path("design.tsv"))
    [(_, *plain)] = single_trials.fit(model, lambda: [(slice(0, N_VOXELS), data)], "ols")
    for noise in (learnt(1), saved_noise.ArmaNoise.of(np.zeros((2, N_VOXELS)))):
        for ours, theirs in zip(fitted(kind, columns, data, noise), plain, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=SAME_ARITHMETIC, atol=SAME_ARITHMETIC)


@pytest.mark.parametrize("noise", [learnt(5), of_pairs()], ids=["learnt", "arma"])
def test_voxels_may_come_in_any_order_and_in_blocks_of_any_size(data, noise):
    """Their noise goes with them."""
    columns = columns_of(trials(12))
    first = fitted("lss", columns, data, noise, step=N_VOXELS)
    for order in (noise.alike(), np.arange(N_VOXELS)[::-3]):
        found = fitted("lss", columns, data[:, order], noise.part(order))
        for one, other in zip(first, found, strict=True):
            np.testing.assert_allclose(other, one[:, order], rtol=SAME_ARITHMETIC, atol=SAME_ARITHMETIC)


def test_voxels_of_one_pair_of_coefficients_follow_each_other():
    """So that what is solved for a pair is solved once."""
    noise = of_pairs()
    numbers = noise.part(noise.alike()).numbers
    assert np.count_nonzero(np.diff(numbers)) == len(np.unique(noise.numbers)) - 1 == 4


@pytest.mark.parametrize("noise", [learnt(2), of_pairs()], ids=["learnt", "arma"])
def test_t_is_0_where_the_data_hold_no_noise(data, noise):
    """A voxel that the design explains, and one that is constant; beta is what the design holds."""
    columns = columns_of(trials(12))
    spoiled = data.copy()
    spoiled[:, 3], spoiled[:, 4] = 100 + 2 * columns.sums()[:, 0, 0], 7.0
    for kind in ("lsa", "lss"):
        beta, t = fitted(kind, columns, spoiled, noise)
        assert not t[:, 3:5].any()
        np.testing.assert_allclose(beta[columns.condition_of == 0, 3], 2.0, rtol=1e-9, atol=0)
        assert np.isfinite(t).all()


def test_trials_without_an_estimate_leave_the_others_as_they_are(data):
    """Two at one time, of which neither adds to the base what the other does not."""
    both = [Event(30.25, 1.0, "faces"), Event(30.25, 1.0, "scrambled")]
    events = sorted([*trials(12), *both], key=lambda event: event.onset)
    columns, noise = columns_of(events), learnt(3)
    reasons = single_trials.model_of("lss", columns, Path("design.tsv")).facts.reasons
    assert len(reasons) == 2
    beta, t = fitted("lss", columns, data, noise)
    for trial in np.setdiff1d(np.arange(len(columns.events)), list(reasons))[[0, 5]]:
        design = design_of("lss", events, columns.rows[trial] - 2, "spm + derivative", ())
        same((beta[trial], t[trial]), by_dense_gls(design, data, noise))


SHARES = np.array([0.2, 0.3, 0.2, 0.1, 0.2])


def of_known_mixture(n_voxels, seed=0):
    """Noise of the processes by their shares, (n, v)."""
    rng = np.random.default_rng(seed)
    which = rng.choice(SHARES.size, n_voxels, p=SHARES)
    noise = rng.standard_normal((N_SCANS + 300, n_voxels))
    for process, a in enumerate(PROCESSES.coefficients):
        at = which == process
        noise[:, at] = scipy.signal.lfilter([1.0], np.r_[1.0, -a], noise[:, at], axis=0)
    return noise[300:]


def with_posterior(basis, data):
    """Noise as the fit of a design saves it."""
    weighted = mixture.Weighted.of(mixture.Mixture(PROCESSES, SHARES), basis)
    return weighted, saved_noise.ProcessNoise(PROCESSES, mixture.to_bytes(weighted.posterior(data)))


@pytest.mark.parametrize("kind", ["lsa", "lss"])
def test_t_of_null_data_keeps_its_level(kind):
    """Noise of a known mixture, its posterior from the design of the conditions."""
    events, how, data = trials(20), options("spm"), of_known_mixture(3000)
    basis = factorise(saved_design(events, how).matrix).basis
    columns = columns_of(events, how)
    _, t = fitted(kind, columns, data, with_posterior(basis, data)[1], step=1000)
    dof = single_trials.model_of(kind, columns, Path("design.tsv")).facts.dof
    p = 2 * scipy.stats.t.sf(np.abs(t), dof[:, None])
    for level, off in OFF_LEVEL.items():
        print(f"{kind}: {np.mean(p < level):.4f} at {level}")
        assert abs(np.mean(p < level) / level - 1) < off


def test_t_of_lsa_is_that_of_a_contrast_of_its_design():
    """With its posterior. A contrast has what betas are expected to differ by, and other dof."""
    columns, data = columns_of(trials(20), options("spm")), of_known_mixture(2000)
    model = single_trials.model_of("lsa", columns, Path("design.tsv"))
    weighted, noise = with_posterior(model.base.basis, data)
    _, t = fitted("lsa", columns, data, noise, step=1000)
    saved = mixture.from_bytes(noise.posterior)
    fit = weighted.fit(data)
    for trial in (0, 13):
        c = model.on_base[[trial]]
        uncertain = mixture_effects.of_effect(mixture_effects.Rows.of(weighted, c), fit.sigma2, saved)
        combined = mixture_contrasts.over_runs([uncertain], np.ones((1, t.shape[1]), dtype=bool))
        effect = (c @ fit.coefficients)[0]
        z = t_to_z(effect / np.sqrt(combined.variance), combined.dof)[1]
        difference = np.abs(z - t_to_z(t[trial], np.full(t.shape[1], float(model.facts.dof[trial])))[1])
        for share, largest in OF_Z.items():
            assert np.quantile(difference, share) < largest
