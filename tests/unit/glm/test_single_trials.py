"""Single trials against a loop of nilearn's fits, one per trial (LSS), and its one fit of all (LSA)."""

from pathlib import Path

import numpy as np
import pytest
from nilearn.glm.first_level.first_level import run_glm
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.outliers_influence import variance_inflation_factor
from trial_runs import N_SCANS, N_TRIALS, columns_of, nilearn_design, options, table, trials

from firstlevel.glm import noise, single_trials, trial_columns
from firstlevel.glm.fit import whiten
from firstlevel.glm.sampling import Events
from firstlevel.io.event_table import Event
from firstlevel.io.modulators import Modulator
from firstlevel.stage import InputError

AS_NILEARN = 1e-6
"""Relative to the standard error: rounding of other arithmetic, and of nilearn's own sampling."""
SAME_ARITHMETIC = 1e-9
N_VOXELS = 40


def fitted(kind, columns, data, noise_model, step=17):
    """Beta and t of all voxels, (m, v), in blocks."""
    model = single_trials.model_of(kind, columns, Path("design.tsv"))

    def blocks():
        for low in range(0, data.shape[1], step):
            yield slice(low, min(low + step, data.shape[1])), data[:, low : low + step]

    beta, t = np.empty((2, len(columns.events), data.shape[1]))
    for part, of_beta, of_t in single_trials.fit(model, blocks, noise_model):
        beta[:, part], t[:, part] = of_beta, of_t
    return beta, t, model


def nilearn_contrast(data, design, weights, noise_model):
    """Effect and t of a contrast, by column name."""
    vector = np.array([weights.get(name, 0.0) for name in design.columns])
    labels, results = run_glm(data, design.to_numpy(), noise_model=noise_model)
    effect, t = np.empty((2, data.shape[1]))
    for label, result in results.items():
        tested = result.Tcontrast(vector)
        effect[labels == label], t[labels == label] = np.squeeze(tested.effect), np.squeeze(tested.t)
    return effect, t


def by_nilearn(kind, events, places, data, noise_model, **how):
    """Beta and t of the trials at these places, by nilearn's designs and fits."""
    effects = []
    if kind == "lsa":
        design = nilearn_design(table(events, **{f"_{k}": f"trial{k:03d}" for k in places}), **how)
        effects = [nilearn_contrast(data, design, {f"trial{k:03d}": 1.0}, noise_model) for k in places]
    else:
        for k in places:
            design = nilearn_design(table(events, **{f"_{k}": "trial"}), **how)
            effects.append(nilearn_contrast(data, design, {"trial": 1.0}, noise_model))
    return tuple(np.array(part) for part in zip(*effects, strict=True))


@pytest.fixture(scope="module")
def events():
    return trials()


@pytest.fixture(scope="module")
def data():
    """Voxels with AR(1) noise from -0.3 to 0.8, drift, and responses."""
    rng, rho = np.random.default_rng(1), np.linspace(-0.3, 0.8, N_VOXELS)
    made = rng.standard_normal((N_SCANS, N_VOXELS))
    for scan in range(1, N_SCANS):
        made[scan] += rho * made[scan - 1]
    made += np.outer(np.linspace(-2, 5, N_SCANS), rng.standard_normal(N_VOXELS))
    return made + columns_of(trials()).sums().sum(axis=(1, 2))[:, None] * rng.standard_normal(N_VOXELS)


def same(ours, theirs, tolerance=AS_NILEARN):
    """Beta and t are the same: t to that difference, beta to that share of its standard error."""
    error = np.abs(theirs[0] / theirs[1])
    np.testing.assert_allclose(ours[0] / error, theirs[0] / error, rtol=0, atol=tolerance)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=0, atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("noise_model", ["ols", "ar1"])
@pytest.mark.parametrize("kind", ["lsa", "lss"])
def test_sixty_trials_are_those_of_a_loop_of_nilearns_fits(events, data, kind, noise_model):
    """With derivatives, a condition that is not listed, an AR(1) coefficient of each trial's own model."""
    columns = columns_of(events)
    beta, t, model = fitted(kind, columns, data, noise_model)
    places = [row - 2 for row in columns.rows]
    assert len(places) == N_TRIALS
    assert not model.facts.reasons
    same((beta, t), by_nilearn(kind, events, places, data, noise_model))


@pytest.mark.parametrize("hrf_model", ["glover", "spm + derivative + dispersion"])
@pytest.mark.parametrize("kind", ["lsa", "lss"])
def test_beta_is_that_of_the_canonical_response(data, kind, hrf_model):
    """Whose derivatives are orthogonal to it, as nilearn has them: of the trial, of the others, of all."""
    events = trials(20)
    columns = columns_of(events, options(hrf_model))
    places = [row - 2 for row in columns.rows]
    theirs = by_nilearn(kind, events, places, data, "ar1", hrf_model=hrf_model)
    same(fitted(kind, columns, data, "ar1")[:2], theirs)


def by_definition(kind, columns, place, series, rho, weights=None):
    """Beta and t of one trial and voxel: statsmodels' OLS of a design in plain sight, whitened by rho."""
    n_scans, _, n_own = columns.sampled.shape
    own = columns.sampled[:, place]
    if kind == "lsa":
        others = np.delete(columns.sampled, place, axis=1).reshape(n_scans, -1)
    else:
        parts = []
        for condition in range(len(columns.conditions)):
            of_it = np.flatnonzero(columns.condition_of == condition)
            parts.append(columns.sampled[:, of_it[of_it != place]].sum(axis=1))
        others = np.hstack(parts)
    design = whiten(np.hstack([own, others, columns.others]), rho)
    found = OLS(whiten(series[:, None], rho)[:, 0], design).fit()
    vector = np.zeros(design.shape[1])
    vector[:n_own] = columns.kept[place]
    tested = found.t_test(vector)
    return float(np.squeeze(tested.effect)), float(np.squeeze(tested.tvalue)), found


@pytest.mark.parametrize("kind", ["lsa", "lss"])
def test_beta_of_an_fir_model_is_the_mean_over_its_delays(data, kind):
    """Of regressors that are 1 at the scans after an event, as statsmodels has it."""
    events = [Event(2.0 * round(e.onset / 2), 0.0, e.trial_type) for e in trials(20)]
    columns = columns_of(events, options("fir", fir_delays=(1, 2, 3), fir_unit="scans"))
    beta, t, _ = fitted(kind, columns, data, "ar1")
    for place, event in enumerate(columns.events):
        scans, delays = np.nonzero(columns.sampled[:, place])
        assert (scans - event.onset / 2).tolist() == (delays + 1).tolist() == [1, 2, 3]
    for place, voxel in ((0, 3), (7, 20), (19, 39)):
        plain = by_definition(kind, columns, place, data[:, voxel], 0.0)[2].resid
        rho = (plain[1:] @ plain[:-1] / (N_SCANS - 1)) / (plain @ plain / N_SCANS)
        effect, statistic, _ = by_definition(kind, columns, place, data[:, voxel], np.trunc(100 * rho) / 100)
        np.testing.assert_allclose(beta[place, voxel], effect, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(t[place, voxel], statistic, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("noise_model", ["ar1_corrected", "ar1_pooled"])
@pytest.mark.parametrize("kind", ["lsa", "lss"])
def test_other_noise_models_have_a_coefficient_per_trial(data, kind, noise_model):
    """Which the residuals of its own design give; then beta and t are those of statsmodels' whitened OLS."""
    columns = columns_of(trials(12), options("spm"), censored=(50, 51, 120))
    beta, t, model = fitted(kind, columns, data, noise_model)
    for place in (0, 5, 11):
        basis = model.basis_of(place if kind == "lss" else 0)
        e = data - basis @ (basis.T @ data)
        observed = (e[1:] * e[:-1]).sum(axis=0) / (e**2).sum(axis=0)
        if noise_model == "ar1_pooled":
            observed = np.full_like(observed, observed.mean())
        rho = noise.corrected_ar1_coefficients(
            observed, np.ones(N_VOXELS, dtype=bool), noise.expected_autocorrelation(basis)
        )
        for voxel in (0, 13, 39):
            effect, statistic, found = by_definition(kind, columns, place, data[:, voxel], rho[voxel])
            np.testing.assert_allclose(beta[place, voxel], effect, rtol=1e-7, atol=1e-9)
            np.testing.assert_allclose(t[place, voxel], statistic, rtol=1e-7, atol=1e-9)
            assert model.facts.dof[place] == found.df_resid


@pytest.mark.parametrize("kind", ["lsa", "lss"])
def test_censored_scans_change_nothing(events, data, kind):
    """Whatever they hold; and a trial of which only censored scans hold the response is not estimable."""
    censored = list(range(96, 112))
    columns = columns_of(events, censored=censored)
    first = fitted(kind, columns, data, "ols")
    spoiled = data.copy()
    spoiled[censored] += 1e3
    second = fitted(kind, columns, spoiled, "ols")
    lost = sorted(first[2].facts.reasons)
    assert lost
    assert {columns.events[k].onset // 2 for k in lost} <= set(range(94, 111))
    assert "falls into the scans that are kept" in first[2].facts.reasons[lost[0]]
    kept = np.setdiff1d(np.arange(N_TRIALS), lost)
    np.testing.assert_allclose(first[1][kept], second[1][kept], rtol=0, atol=1e-6)
    places = [columns.rows[k] - 2 for k in kept]
    if kind == "lss":
        same(
            (first[0][kept], first[1][kept]),
            by_nilearn(kind, events, places, data, "ols", censored=censored),
        )


@pytest.mark.parametrize("kind", ["lsa", "lss"])
def test_trials_that_cannot_be_estimated_are_told(events, data, kind):
    """Two at one time, in one condition or two, at and after the end, before min_onset; the rest stays."""
    last = 2.0 * (N_SCANS - 1)
    odd = [
        Event(-40.0, 1.0, "faces"),
        Event(100.5, 1.0, "faces"),
        Event(100.5, 1.0, "faces"),
        Event(200.5, 2.0, "faces"),
        Event(200.5, 2.0, "scrambled"),
        Event(last - 1.0, 1.0, "faces"),
        Event(last + 5.0, 1.0, "scrambled"),
    ]
    more = sorted([*events, *odd], key=lambda event: (event.onset, event.trial_type))
    columns = columns_of(more)
    beta, t, model = fitted(kind, columns, data, "ar1")
    reasons = {columns.events[k].onset: why for k, why in model.facts.reasons.items()}
    twins = [k for k in model.facts.reasons if columns.events[k].onset in (100.5, 200.5)]
    assert len(twins) == 4
    assert set(reasons) == {event.onset for event in odd}
    assert "its response is that of the trial in row" in reasons[100.5]
    assert "after the last scan" in reasons[last + 5.0]
    assert "falls into the run" in reasons[last - 1.0]
    assert "before min_onset" in reasons[-40.0]
    kept = [k for k in range(len(columns.events)) if k not in model.facts.reasons]
    if kind == "lss":
        places = [columns.rows[k] - 3 for k in kept]  # nilearn moves the first event to min_onset
        same((beta[kept], t[kept]), by_nilearn(kind, more[1:], places, data, "ar1"))
    assert np.isfinite(beta[kept]).all()
    assert np.isfinite(t[kept]).all()


def test_trials_that_follow_from_others_are_told(data):
    """A condition of one event, which is not listed, is at the time of a trial."""
    both = [Event(60.25, 1.0, "faces"), Event(60.25, 1.0, "alone")]
    events = sorted([*trials(12), *both], key=lambda e: e.onset)
    for kind in ("lsa", "lss"):
        columns = columns_of(events)
        model = single_trials.model_of(kind, columns, Path("design.tsv"))
        [place] = model.facts.reasons
        assert columns.events[place].onset == 60.25
    lsa = single_trials.model_of("lsa", columns, Path("design.tsv")).facts.reasons[place]
    assert lsa == "its regressors follow from alone and alone_derivative"


def test_one_trial_of_a_condition_has_no_others_beside_it(data):
    """Its model is the design of the conditions, in which it is one; LSS is told with it."""
    events = sorted([*(e for e in trials(12) if e.trial_type != "scrambled"), Event(61.0, 1.0, "scrambled")],
                    key=lambda e: e.onset)  # fmt: skip
    columns = columns_of(events)
    [place] = [k for k, e in enumerate(columns.events) if e.trial_type == "scrambled"]
    beta, t, model = fitted("lss", columns, data, "ar1")
    assert not model.facts.reasons
    theirs = nilearn_contrast(data, nilearn_design(table(events)), {"scrambled": 1.0}, "ar1")
    same((beta[place], t[place]), theirs)


def test_collinearity_is_the_variance_inflation_of_statsmodels(events):
    """1 / (1 - R^2) of the trial's regressor on all others of its model."""
    columns = columns_of(events, options("spm"))
    for kind in ("lsa", "lss"):
        inflation = single_trials.model_of(kind, columns, Path("design.tsv")).facts.inflation
        assert (inflation >= 1 - 1e-9).all()
        for place in (0, 17, 59):
            design = by_definition(kind, columns, place, np.zeros(N_SCANS), 0.0)[2].model.exog
            assert inflation[place] == pytest.approx(variance_inflation_factor(design, 0), rel=1e-8)
    together, apart = (
        single_trials.model_of(kind, columns, Path("design.tsv")).facts.inflation for kind in ("lsa", "lss")
    )
    assert np.median(together) > np.median(apart)  # what LSS is for


def test_more_trials_than_scans_can_be_separate_only(data):
    """LSA stops with a message that names LSS; LSS has its degrees of freedom."""
    crowded = [Event(1.7 * k, 0.5, "ab"[k % 2]) for k in range(240)]
    columns = columns_of(crowded, options("spm"), conditions=None)
    with pytest.raises(InputError, match="no degrees of freedom .*lsa") as stop:
        single_trials.model_of("lsa", columns, Path("design.tsv"))
    assert "design.single_trials.model: lss" in str(stop.value)
    beta, t, model = fitted("lss", columns, data, "ols")
    effect, statistic, _ = by_definition("lss", columns, 100, data[:, 3], 0.0)
    np.testing.assert_allclose([beta[100, 3], t[100, 3]], [effect, statistic], rtol=1e-8, atol=0)
    assert len(model.facts.reasons) < 5


def test_modulators_of_other_conditions_stay_and_own_ones_go(data):
    """A trial shows itself what a modulator of its condition would explain; its height is 1."""
    rng = np.random.default_rng(0)
    events = [
        Event(e.onset, e.duration, e.trial_type, 2.0 if e.trial_type == "faces" else None,
              (("rt", float(rng.random())),))
        for e in trials(20)
    ]  # fmt: skip
    modulators = {name: {"rt": Modulator("rt", "run", False)} for name in ("faces", "scrambled", "answers")}
    columns = columns_of(events, options("spm"), conditions=["faces"], modulators=modulators)
    assert columns.left_out == ["faces_rt"]
    assert {"scrambled", "scrambled_rt", "answers_rt"} <= set(columns.names)
    assert "faces" not in columns.names
    plain = columns_of(trials(20), options("spm"), conditions=["faces"])
    np.testing.assert_array_equal(columns.sampled, plain.sampled)


def test_run_without_such_trials_stops():
    with pytest.raises(InputError, match="has no trial of the conditions"):
        columns_of(trials(4), conditions=["houses"])


def test_blocks_do_not_matter(events, data):
    """The same numbers from blocks of any size, but for rounding."""
    columns = columns_of(events)
    for kind in ("lsa", "lss"):
        first, second = (fitted(kind, columns, data, "ar1", step=step) for step in (3, N_VOXELS))
        np.testing.assert_allclose(first[1], second[1], rtol=0, atol=SAME_ARITHMETIC)


def test_voxel_without_noise_has_no_t(events, data):
    """A constant voxel: beta and t are 0, and nothing is divided by 0."""
    columns = columns_of(events)
    flat = np.zeros((N_SCANS, 2))
    for kind in ("lsa", "lss"):
        for noise_model in ("ols", "ar1", "ar1_corrected", "ar1_pooled"):
            beta, t, _ = fitted(kind, columns, flat, noise_model)
            assert not beta.any()
            assert not t.any()


@pytest.mark.parametrize("sampling", ["nilearn", "exact", "spm"])
def test_responses_are_those_of_each_trial_by_itself(sampling):
    """However many are sampled together; of long events and impulses, too, and of one that is left out."""
    times = 1.3 * np.arange(200) + 0.4
    basis = options("spm + derivative + dispersion", sampling=sampling).basis
    rng = np.random.default_rng(0)
    onsets = np.sort(rng.uniform(-20, 255, 70))
    lasting = rng.choice([0.0, 0.3, 2.0, 60.0], 70)
    alone = [
        Events(*np.array([[onset], [seconds], [onset + seconds], [1.0]]))
        for onset, seconds in zip(onsets, lasting, strict=True)
    ]
    alone[3] = Events(*np.empty((4, 0)))
    found = trial_columns.responses(basis, alone, times)
    assert not found[:, 3].any()
    for place, one in enumerate(alone):
        np.testing.assert_allclose(found[:, place], basis.sampled(one, times), rtol=0, atol=1e-13)
