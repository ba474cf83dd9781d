"""What is measured once beside the cells: equality with nilearn, saved against direct, time, real volumes."""

import csv
import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import noise_tests
import noises
import numpy as np
import other_models
from nilearn.glm.contrasts import compute_contrast
from nilearn.glm.first_level import run_glm
from noise_cells import TABLE, Cell, simulate
from noises import Array
from scipy import special

from firstlevel.glm import arma, mixture, mixture_contrasts, mixture_learning
from firstlevel.glm import fit as glm

FACTS = Path(__file__).with_name("noise_facts.tsv")
REAL = "FIRSTLEVEL_REAL_DATA"
"""Variable of the environment that names the folder of SPM's auditory study."""
TIMED = ("events", 390, 2.0)
TIMED_VOXELS, FEWER = 50000, 5040
"""Voxels of the fits that are timed, and of those that take long."""
COMPARED_VOXELS = 700
POWER_CELL, POWER_DRAWS = ("blocks 30", 200, 2.0), 8
ORDER, STEPS = 20, 5
"""Of the true processes; values of coefficient and share that stand for the varied noise."""
REAL_DESIGNS, REAL_STEP, REAL_TR, BLOCK = 20, 8, 7.0, 42.0
"""Random designs; every how many voxels are taken; seconds between scans and of a block."""
OF_BRAIN = 0.8
"""Share of the mean over the image's bright voxels above which a voxel of the real volumes counts."""


def measure() -> None:
    """Measure everything, and write it down."""
    facts = {}
    for measured in (equal_to_nilearn, saved_against_direct, without_learning, times, real):
        facts.update(measured())
    with FACTS.open("w", newline="") as out:
        writer = csv.writer(out, delimiter="\t", lineterminator="\n")
        writer.writerows(facts.items())


def read() -> dict[str, str]:
    """What was measured; nothing where it was not."""
    if not FACTS.exists():
        return {}
    with FACTS.open(newline="") as lines:
        return dict(csv.reader(lines, delimiter="\t"))


def equal_to_nilearn() -> dict[str, str]:
    """Largest difference in z from nilearn's run_glm and contrast, one draw of every cell of the table."""
    distance = 0.0
    for design in TABLE:
        cell = Cell("nilearn", *design, voxels=COMPARED_VOXELS)
        study = simulate(cell, 0)
        labels, results = run_glm(study.data[0], study.designs[0].matrix, noise_model="ar1", n_jobs=1)
        theirs = compute_contrast(labels, results, study.designs[0].t[0], stat_type="t")
        ours = noise_tests.MODELS["ar1"](cell, study).t
        dof = float(study.designs[0].matrix.shape[0] - np.linalg.matrix_rank(study.designs[0].matrix))
        t = theirs.effect.ravel() / np.sqrt(theirs.variance.ravel())
        same = other_models.Tested(t, np.ones_like(t), np.full(t.size, dof))
        distance = max(distance, float(np.abs(same.z() - ours.z()).max()))
    return {"`ar1` against nilearn's `run_glm`, largest difference in z over the cells": f"{distance:.1e}"}


def saved_against_direct() -> dict[str, str]:
    """Distances in z of three tests: by what is saved, by the effect of each process, by the average of p.

    The second is the t with the moments of all processes, each with its own effect, which is not saved: what
    any t about one effect can reach. The third averages p over the posterior.
    """
    tests: dict[str, list[Array]] = {
        "from saved maps": [],
        "with each process's effect known": [],
        "of the averaged p": [],
    }
    for design in TABLE:
        cell = Cell("saved", *design, voxels=COMPARED_VOXELS * 3)
        study = simulate(cell, 0)
        saved = np.abs(noise_tests.MODELS["mixture"](cell, study).t.z())
        averaged, known = direct_z(study.designs[0], study.data[0])
        for found, z in zip(tests.values(), (saved, known, averaged), strict=True):
            found.append(z)
    said = {}
    for one, other in itertools.combinations(tests, 2):
        of_cells = [np.abs(a - b) for a, b in zip(tests[one], tests[other], strict=True)]
        median, most = np.quantile(np.concatenate(of_cells), [0.5, 0.99])
        by_cell = [np.quantile(of_cell, 0.99) for of_cell in of_cells]
        said[f"`mixture`, difference in abs(z) of t {one} and {other}"] = (
            f"median {median:.4f}, 99 % below {most:.3f} ({min(by_cell):.2f} to {max(by_cell):.2f} by cell)"
        )
    return said


def direct_z(design: noises.RandomDesign, data: Array) -> tuple[Array, Array]:
    """abs(z) of the p averaged over the posterior, and of the t with the moments of what is averaged, (v,).

    p = 2 min(P, 1 - P) with P = sum w_g P(t < t_g). Each process is fitted by itself with the inverse of its
    covariance: nothing of the fit is used but the posterior.
    """
    n, k = design.matrix.shape
    factors = glm.Design.of(design.matrix).factors
    found = mixture_learning.learn(data[:, mixture_learning.sampled(data.shape[1])], factors.basis)
    posterior = mixture.Weighted.of(found, factors.basis).fit(data).posterior
    effects, variances = np.empty((2, *posterior.shape))
    for g in range(found.processes.n):
        one = type(found.processes)(found.processes.coefficients[g : g + 1])
        lower = np.linalg.cholesky(covariance_of(one, n))
        t, _ = other_models.oracle(design, data, lower)
        effects[g], variances[g] = t.effect, t.variance
    below = np.sum(posterior * special.stdtr(n - k, effects / np.sqrt(variances)), axis=0)
    nu, mean = n - k, np.sum(posterior * effects, axis=0)
    apart, scaled = (effects - mean) ** 2, nu / (nu - 2) * variances
    second = np.sum(posterior * (scaled + apart), axis=0)
    of_t4 = 3 * (nu - 2) / (nu - 4) * scaled**2
    fourth = np.sum(posterior * (of_t4 + 6 * scaled * apart + apart**2), axis=0)
    dof = 4 + 6 / np.maximum(fourth / second**2 - 3, 1e-9)
    known = other_models.Tested(mean, second * (dof - 2) / dof, dof)
    return -special.ndtri(np.minimum(below, 1 - below)), np.abs(known.z())


def covariance_of(process: mixture.Processes, n: int) -> Array:
    """Autocorrelations as a matrix, (n, n)."""
    lag = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    matrix: Array = process.autocorrelations(n - 1)[0][lag]
    return matrix


def without_learning() -> dict[str, str]:
    """Power of the mixture where it is told the true processes and their shares, against learning them."""
    cell = Cell("table", *POWER_CELL)
    acf = [
        noises.NOISES[name].autocorrelations(ORDER + 1, cell.repetition_time) for name in noises.SEVEN[:-1]
    ]
    shares = [1.0] * len(acf)
    middle = (np.arange(STEPS) + 0.5) / STEPS
    ranges = [low + (high - low) * middle for low, high in (noises.COEFFICIENTS, noises.SHARES)]
    for a, share in itertools.product(*ranges):
        acf.append(noises.ar1(a, share)(ORDER + 1, cell.repetition_time))
        shares.append(1 / STEPS**2)
    processes = mixture.Processes.of_autocorrelations(np.array(acf))
    told = mixture.Mixture(processes, np.array(shares) / sum(shares))
    found: dict[str, list[float]] = {"learnt": [], "told": [], "oracle": []}
    for draw in range(POWER_DRAWS):
        study = simulate(cell, draw)
        oracle, error = noise_tests.known(cell, study)
        of_told = noise_tests.mixed(study.designs[0], study.data[0], told=told)
        combined = mixture_contrasts.over_runs([of_told.of_t], np.ones((1, cell.voxels), dtype=bool))
        t = {"learnt": noise_tests.MODELS["mixture"](cell, study).t, "oracle": oracle}
        t["told"] = other_models.Tested(of_told.effects[0], combined.variance, combined.dof)
        for name, powers in found.items():
            p = t[name].p(noise_tests.EFFECT * error)
            powers.append(100 * float((p < noise_tests.LEVELS[-1]).mean()))
    said = ", ".join(f"{name} {np.mean(powers):.1f}" for name, powers in found.items())
    return {f"`mixture`, power (%), processes learnt or told, {cell.design}, {POWER_DRAWS} draws": said}


def times() -> dict[str, str]:
    """CPU seconds of learning and fit of 50,000 voxels, 390 scans, one thread."""
    cell = Cell("times", *TIMED, voxels=TIMED_VOXELS)
    study = simulate(cell, 0)
    few = Cell("times", *TIMED, voxels=FEWER)
    short = simulate(few, 1)
    design = study.designs[0].matrix
    seconds = {}
    for model in ("ols", "ar1", "ar1_corrected", "ar1_pooled"):
        seconds[model] = least(lambda m=model: glm.fit(study.data[0], glm.Design.of(design), m))
    seconds["mixture"] = least(lambda: learnt_and_fitted(design, study.data[0]))
    search = arma.Search(glm.Design.of(design).factors.basis)
    seconds["arma11"] = least(lambda: search.fit(study.data[0]))
    for model, used, data in (("spm_ar1", cell, study), ("arma11", few, short)):
        scale = TIMED_VOXELS / used.voxels
        reference = scale * least(lambda m=model, u=used, d=data: noise_tests.MODELS[m](u, d), 1)
        seconds[f"{model} as a reference here"] = reference
    seconds["nilearn's run_glm, ar1"] = (
        TIMED_VOXELS / FEWER * least(lambda: run_glm(short.data[0], design, noise_model="ar1", n_jobs=1), 1)
    )
    title = f"CPU seconds of a fit, 50,000 voxels x {TIMED[1]} scans x {design.shape[1]} columns, one thread"
    said = ", ".join(f"{model} {value:.2f}" for model, value in seconds.items())
    return {title: f"{said} (nilearn's and the reference of arma11: of {FEWER:,} voxels, scaled)"}


def learnt_and_fitted(design: Array, data: Array) -> None:
    """The mixture as a stage has it: voxels to learn from, then blocks."""
    factors = glm.Design.of(design).factors
    found = mixture_learning.learn(data[:, mixture_learning.sampled(data.shape[1])], factors.basis)
    weighted = mixture.Weighted.of(found, factors.basis)
    for start in range(0, data.shape[1], noise_tests.BLOCK):
        weighted.fit(data[:, start : start + noise_tests.BLOCK])


def least(call: Callable[[], object], repeats: int = 3) -> float:
    """CPU time, the least of some calls."""
    found = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        found.append(time.process_time() - start)
    return min(found)


def real() -> dict[str, str]:
    """False positives of random blocks in SPM's auditory study, its own blocks being modelled, too."""
    folder = Path(os.environ.get(REAL, "/nowhere"))
    if not folder.is_dir():
        return {}
    paths = [path for run in ("run-1", "run-2") for path in sorted((folder / run).glob("*.img"))]
    volumes = np.stack([np.asanyarray(nib.load(path).dataobj, np.float32).ravel() for path in paths])
    mean = volumes.mean(axis=0)
    inside = mean > OF_BRAIN * mean[mean > mean.mean() / 8].mean()
    data = volumes[:, inside][:, ::REAL_STEP].astype(np.float64)
    data = 100 * (data / data.mean(axis=0) - 1)
    motion = np.loadtxt(folder / "rp_fM00223_016.txt")
    own = np.loadtxt(folder / "run-all_events.tsv", skiprows=1, usecols=(0, 1))
    rates: dict[str, list[list[float]]] = {}
    for draw in range(REAL_DESIGNS):
        design = real_design(len(paths), motion, own, np.random.default_rng(draw))
        cell = Cell("real", "blocks 42", len(paths), REAL_TR, brain=("real",), voxels=data.shape[1])
        study = noise_tests.Study(
            [design], [data], np.zeros(data.shape[1], int), np.ones(data.shape[1], bool), np.empty((2, 0))
        )
        for model in ("ols", "ar1", "ar1_corrected", "spm_ar1", "mixture"):
            p = noise_tests.MODELS[model](cell, study).t.p()
            rates.setdefault(model, []).append(
                [100 * float((p < level).mean()) for level in noise_tests.LEVELS]
            )
    said = []
    for model, found in rates.items():
        mean_rate = np.mean(found, axis=0)
        error = np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
        said.append(f"{model} {mean_rate[0]:.1f} ± {error[0]:.1f} / {mean_rate[1]:.2f} / {mean_rate[2]:.3f}")
    title = (
        f"SPM's auditory study (84 volumes, TR 7 s, {data.shape[1]:,} voxels), {REAL_DESIGNS} random designs "
        "of blocks beside its own, % at .05 ± SE between designs / .01 / .001"
    )
    return {title: "; ".join(said)}


def real_design(n: int, motion: Array, own: Array, rng: np.random.Generator) -> noises.RandomDesign:
    """Random blocks `a`, the true blocks `listening`, motion."""
    listening = [noises.Event(float(onset), float(length), "listening") for onset, length in own]
    count = int(n * REAL_TR // BLOCK)
    on = rng.permutation(np.arange(count) % 2)
    phase = rng.uniform(-BLOCK / 2, BLOCK / 2)
    blocks = [
        noises.Event(float(phase + BLOCK * k), BLOCK, "a")
        for k in range(count)
        if on[k] and phase + BLOCK * k > -20
    ]
    times = noises.designs.frame_times(n, REAL_TR, 0.0)
    events = sorted([*listening, *blocks], key=lambda event: event.onset)
    names, matrix = noises.designs.design_matrix(
        times, events, noises.OPTIONS, motion - motion.mean(axis=0), [f"motion_{k}" for k in range(6)]
    )
    joint = np.zeros((2, len(names)))
    joint[[0, 1], [names.index("a"), names.index("a_derivative")]] = 1.0
    return noises.RandomDesign(matrix, names, joint[:1], joint)
