"""The statistics on known truth: false positives, z, bias, coverage and sensitivity.

    make validate                # prints the tables of docs/validation.md and draws its picture
    python validate.py --quick   # a look, in a minute
    python validate.py --again   # the tables and the picture of the last run's numbers

Null studies (arrays): two runs with random designs, noise of known AR(1) coefficient, the statistical core
of the workflow and fixed effects. The voxels of a study share its designs, so standard errors are those
between studies.
Sensitivity (images): simulated studies through the stages, from raw volumes to z maps.
"""

import argparse
import itertools
import os
import pickle
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # two processes, one thread each

import matplotlib as mpl
import nibabel as nib
import numpy as np
from scipy import special, stats

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "workflow/scripts")]
import null_studies
from nilearn.glm.contrasts import compute_fixed_effect_contrast
from nilearn.glm.first_level import run_glm

import compute_contrast
import compute_mask
import fit_glm
import make_design_matrix
import read_headers
import resample_run
import simulate_dataset
from firstlevel.glm.design import DesignOptions
from firstlevel.glm.nuisance import NuisanceOptions
from firstlevel.glm.run_events import EventOptions

mpl.use("Agg")
from matplotlib import pyplot as plt

KINDS = ("events", "blocks")
MODELS = ("ols", "ar1", "ar1_corrected")
RHOS = (0.0, 0.1, 0.3, 0.6)
LEVELS = (0.05, 0.01, 0.001)
TESTS = ("t", "t, precision", "F", "exact F")
EFFECT = 1.0
"""Percent signal change per unit of the regressor of faces, where there is an effect."""
N_SILENT, N_ACTIVE = 2000, 400
"""Voxels of each study and coefficient, without and with an effect."""
CONFIDENCE = 0.999
"""Of the bounds: of a thousand rates of a test that holds its level, one lies outside."""
QUANTILES = stats.norm.ppf(np.linspace(0, 1, 1001)[1:-1])
"""Where the distribution of z is held against N(0, 1)."""
COMPARED = [("blocks", 128, "ols", 0.0), ("blocks", 128, "ar1", 0.3), ("events", 42, "ar1", 0.3)]
"""Cells in which nilearn's own fit and contrast see the same arrays."""
SIMULATED = {
    "n_scans": 128, "shape": [64, 64, 32], "voxel_size": [3.0, 3.0, 4.0], "repetition_time": 2.0,
    "noise": 1.0, "ar1": 0.3, "drift": 1.0, "activation": 10.0,
}  # fmt: skip
MOTIONS = (0.0, 2.0)
STRATEGIES = ("sequential", "direct")
BINS = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
"""Edges of the true effect, faces - scrambled, percent signal change."""
FALSE_POSITIVES = 0.001
COLOURS = {"ols": "C7", "ar1": "C0", "ar1_corrected": "C1"}

Cell = tuple[str, int, str, float]
"""Design, scans, noise model, AR(1) coefficient of the noise."""


@dataclass
class Found:
    """What the studies of one cell gave, one entry per study.

    Attributes
    ----------
    rates : for each test, shares of silent voxels with p below LEVELS.
    below : shares of silent voxels with z (of t) below QUANTILES.
    moments : mean and standard deviation of that z.
    error, covered, spread : of the active voxels' effect, the mean less the truth, the share whose 95 %
        interval holds the truth, and the standard deviation, in percent signal change.
    coefficient : mean AR(1) coefficient of the fit.
    """

    rates: dict[str, list[np.ndarray]] = field(default_factory=lambda: {test: [] for test in TESTS})
    below: list[np.ndarray] = field(default_factory=list)
    moments: list[tuple[float, float]] = field(default_factory=list)
    error: list[float] = field(default_factory=list)
    covered: list[float] = field(default_factory=list)
    spread: list[float] = field(default_factory=list)
    coefficient: list[float] = field(default_factory=list)

    def rate(self, test: str, level: int) -> tuple[float, float]:
        """Mean rate, and half the width of the bounds around the level."""
        return bounded([rates[level] for rates in self.rates[test]], LEVELS[level], N_SILENT)

    def coverage(self) -> tuple[float, float]:
        return bounded(self.covered, 0.95, N_ACTIVE)

    def ks(self) -> float:
        """Largest distance of the distribution of z from N(0, 1)."""
        return float(np.abs(np.mean(self.below, axis=0) - special.ndtr(QUANTILES)).max())


def bounded(shares: list[float], level: float, n_voxels: int) -> tuple[float, float]:
    """Mean over studies, and how far from the level it may lie: by the binomial, or a larger spread."""
    binomial = np.sqrt(level * (1 - level) / (n_voxels * len(shares)))
    between = np.std(shares, ddof=1) / np.sqrt(len(shares))
    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(shares) - 1) * max(binomial, between)
    return float(np.mean(shares)), float(half)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=200, help="null studies of each design and length")
    parser.add_argument("--images", type=int, default=10, help="simulated studies of each motion")
    parser.add_argument("--quick", action="store_true", help="10 null studies, 2 simulated ones")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--picture", type=Path, default=ROOT / ".benchmark/validation.png")
    parser.add_argument("--numbers", type=Path, default=ROOT / ".benchmark/validation.pickle")
    parser.add_argument("--again", action="store_true", help="compute nothing, show the last run's numbers")
    options = parser.parse_args()
    if options.quick:
        options.studies, options.images = 10, 2
    if not options.again:
        numbers = computed(options.studies, options.images, options.processes)
        for path in (options.numbers, options.picture):
            path.parent.mkdir(parents=True, exist_ok=True)
        options.numbers.write_bytes(pickle.dumps(numbers))
    found, compared, detected = pickle.loads(options.numbers.read_bytes())
    print(tables(found, compared, detected))
    draw(found, detected, options.picture)
    print(f"picture: {options.picture}", file=sys.stderr)


def computed(n_studies: int, n_images: int, n_processes: int) -> tuple[dict[Cell, "Found"], list, "Detected"]:
    """All numbers, with a line to stderr at each step."""
    start = time.perf_counter()
    with ProcessPoolExecutor(n_processes) as pool:
        found = null_cells(pool, n_studies, start)
        compared = list(pool.map(against_nilearn, COMPARED, [max(2, n_studies // 10)] * len(COMPARED)))
        say(start, "nilearn's own fits compared")
        return found, compared, sensitivity(pool, n_images, start)


def say(start: float, text: str) -> None:
    print(f"  {time.perf_counter() - start:5.0f} s: {text}", file=sys.stderr, flush=True)


def cells() -> Iterator[Cell]:
    """White noise for ols, all noises for the models of AR(1)."""
    for kind in KINDS:
        for scans in null_studies.TIMINGS:
            for model in MODELS:
                for rho in RHOS if model != "ols" else RHOS[:1]:
                    yield kind, scans, model, rho


def null_cells(pool: ProcessPoolExecutor, n_studies: int, start: float) -> dict[Cell, Found]:
    """Every cell of the null studies."""
    found = {cell: Found() for cell in cells()}
    for kind in KINDS:
        for scans in null_studies.TIMINGS:
            jobs = [(kind, scans, seed) for seed in range(1, n_studies + 1)]
            for study in pool.map(null_study, *zip(*jobs, strict=True), chunksize=max(1, n_studies // 40)):
                for cell, values in study.items():
                    add(found[cell], values)
            say(start, f"{n_studies} studies, {kind}, {scans} scans")
    return found


def add(found: Found, values: dict) -> None:
    for test in TESTS:
        found.rates[test].append(values["rates"][test])
    for name in ("below", "moments", "error", "covered", "spread", "coefficient"):
        getattr(found, name).append(values[name])


def null_study(kind: str, scans: int, seed: int) -> dict[Cell, dict]:
    """One study with noise of all coefficients, by all noise models."""
    rng = np.random.default_rng([seed, scans, KINDS.index(kind)])
    rho = np.repeat(RHOS, N_SILENT + N_ACTIVE)
    active = np.tile(np.arange(N_SILENT + N_ACTIVE) >= N_SILENT, len(RHOS))
    effects = np.stack([np.where(active, EFFECT, 0.0), np.zeros(rho.size)])
    runs = null_studies.make_study(kind, null_studies.TIMINGS[scans], rho, effects, rng)
    study = {}
    for model in MODELS:
        results, coefficient = null_studies.tested(runs, model)
        for value in RHOS if model != "ols" else RHOS[:1]:
            at = rho == value
            study[kind, scans, model, value] = judged(results, coefficient, at & ~active, at & active)
    return study


def judged(results: dict, coefficient: np.ndarray, silent: np.ndarray, active: np.ndarray) -> dict:
    """Hold the tests of one cell of one study against the truth."""
    t = results["t"]
    z, effect = np.sort(t.z[silent]), t.effect[0, active]
    half = stats.t.ppf(0.975, t.dof[0]) * np.sqrt(t.variance[active])
    return {
        "rates": {
            test: np.array([(result.p[silent] < level).mean() for level in LEVELS])
            for test, result in results.items()
        },
        "below": np.searchsorted(z, QUANTILES, side="right") / z.size,
        "moments": (float(z.mean()), float(z.std())),
        "error": float(effect.mean() - EFFECT),
        "covered": float((np.abs(effect - EFFECT) <= half).mean()),
        "spread": float(effect.std()),
        "coefficient": float(coefficient[silent].mean()),
    }


def against_nilearn(cell: Cell, n_studies: int) -> tuple[list[float], list[float], float]:
    """Rates of t at LEVELS here and by run_glm with nilearn's contrasts, and the largest difference in z."""
    kind, scans, model, rho = cell
    ours, theirs, distance = [], [], 0.0
    for seed in range(1, n_studies + 1):
        rng = np.random.default_rng([seed, scans])
        noise, none = np.full(N_SILENT, rho), np.zeros((2, N_SILENT))
        runs = null_studies.make_study(kind, null_studies.TIMINGS[scans], noise, none, rng)
        mine = null_studies.tested(runs, model)[0]["t"]
        fits = [
            run_glm(null_studies.glm.percent_signal_change(run.data), run.design, noise_model=model)
            for run in runs
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            other = compute_fixed_effect_contrast(
                [fit[0] for fit in fits], [fit[1] for fit in fits], [run.t[0] for run in runs]
            )
        for rates, p in ((ours, mine.p), (theirs, other.p_value())):
            rates.append([(p < level).mean() for level in LEVELS])
        distance = max(distance, float(np.abs(mine.z - other.z_score()).max()))
    return list(np.mean(ours, axis=0)), list(np.mean(theirs, axis=0)), distance


Detected = dict[tuple[float, str], list[dict]]
"""Of each motion and strategy, one entry per study."""


def sensitivity(pool: ProcessPoolExecutor, n_studies: int, start: float) -> Detected:
    jobs = [(motion, seed) for motion in MOTIONS for seed in range(1, n_studies + 1)]
    detected: Detected = {(motion, strategy): [] for motion in MOTIONS for strategy in STRATEGIES}
    for (motion, seed), study in zip(jobs, pool.map(image_study, *zip(*jobs, strict=True)), strict=True):
        for strategy, values in study.items():
            detected[motion, strategy].append(values)
        say(start, f"images, motion {motion:g} mm, study {seed} of {n_studies}")
    return detected


def image_study(motion: float, seed: int) -> dict[str, dict]:
    """Simulate one study and take it from raw volumes to z maps, with both strategies."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        raw = {name: folder / name for name in ("session1", "session2", "truth")}
        raw |= {name: folder / f"{name}.mat" for name in ("trials1", "trials2")}
        raw |= {name: folder / f"{name}.nii" for name in ("structural", "truth_faces", "truth_scrambled")}
        simulate_dataset.simulate_dataset(**raw, **SIMULATED, seed=seed, motion=motion)
        truth = [nib.load(raw[f"truth_{name}"]).get_fdata() for name in null_studies.CONDITIONS]
        found = {}
        for strategy in STRATEGIES:
            (folder / strategy).mkdir()
            found[strategy] = held_against(truth, *maps_of(raw, folder / strategy, strategy))
        return found


def maps_of(raw: dict[str, Path], folder: Path, strategy: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mask, effect and z of faces - scrambled, by the stages, with every other key at its default."""
    sessions = [sorted(raw[f"session{run}"].glob("*.img")) for run in (1, 2)]
    names = (
        "resampled",
        "mean",
        "events",
        "design",
        "beta",
        "sigma2",
        "ar1",
        "rsquared",
        "fit",
        "design_json",
        "headers",
    )
    ending = {"events": "tsv", "design": "tsv", "fit": "json", "design_json": "json", "headers": "json"}
    of_run = [{name: folder / f"{run}_{name}.{ending.get(name, 'nii')}" for name in names} for run in (1, 2)]
    mask, spare = folder / "mask.nii", folder / "spare.json"
    for files, bold in zip(of_run, sessions, strict=True):
        read_headers.read_headers(
            bold=bold, reference=sessions[0], headers=files["headers"], repetition_time=2.0
        )
        resample_run.resample_run(
            bold=bold, reference=sessions[0], headers=files["headers"], resampled=files["resampled"],
            mean=files["mean"], sidecar=spare, field_of_view=folder / "fov.nii", strategy=strategy,
            smoothing_fwhm=None,
        )  # fmt: skip
    compute_mask.compute_mask(
        means=[files["mean"] for files in of_run], mask=mask, own_mask=[], sidecar=spare,
        fields_of_view=[folder / "fov.nii"],
    )  # fmt: skip
    for run, (files, bold) in enumerate(zip(of_run, sessions, strict=True), start=1):
        make_design_matrix.make_design_matrix(
            source=[raw[f"trials{run}"]], bold=bold, headers=files["headers"], events=files["events"],
            events_json=spare, design=files["design"], sidecar=files["design_json"], slice_time_ref=0.0,
            of_events=EventOptions(event_duration=1.0), of_no_interest=NuisanceOptions(),
            of_responses=DesignOptions("spm + derivative", "cosine", 0.01, min_onset=-24, oversampling=50),
        )  # fmt: skip
        fit_glm.fit_glm(
            bold=[files["resampled"]], design=files["design"], mask=mask, sidecar=files["fit"],
            design_json=files["design_json"], noise_model="ar1", signal_scaling="voxel",
            **{name: files[name] for name in ("beta", "sigma2", "ar1", "rsquared")},
        )  # fmt: skip
    maps = {name: folder / f"{name}.nii" for name in ("effect", "variance", "stat", "p", "z", "n_runs")}
    of = {name: [files[name] for files in of_run] for name in names}
    compute_contrast.compute_contrast(
        betas=of["beta"], sigma2s=of["sigma2"], ar1s=of["ar1"], designs=of["design"], fits=of["fit"],
        design_jsons=of["design_json"],
        mask=mask, **maps, sidecar=spare, rows=["faces - scrambled"], statistic="t", label="difference",
    )  # fmt: skip
    return nib.load(mask).get_fdata() > 0, *(nib.load(maps[name]).get_fdata() for name in ("effect", "z"))


def held_against(truth: list[np.ndarray], mask: np.ndarray, effect: np.ndarray, z: np.ndarray) -> dict:
    """True positives at the threshold that the share FALSE_POSITIVES of the silent voxels exceeds."""
    faces, scrambled = truth
    true = faces - scrambled
    silent = mask & (np.abs(faces) + np.abs(scrambled) < 1e-3)
    threshold = float(np.quantile(z[silent], 1 - FALSE_POSITIVES))
    bins = [mask & (true >= low) & (true < high) for low, high in itertools.pairwise(BINS)]
    strong = mask & (true >= BINS[1])
    return {
        "found": [float((z[at] > threshold).mean()) for at in bins],
        "nominal": float((z[silent] > stats.norm.isf(FALSE_POSITIVES)).mean()),
        "threshold": threshold,
        "bias": float(effect[strong] @ true[strong] / (true[strong] @ true[strong]) - 1),
        "voxels": [int(at.sum()) for at in bins],
    }


def share(value: float, half: float, level: float) -> str:
    """Percent, bold where it lies outside of the bounds around the level."""
    text = f"{100 * value:.{2 if level > 0.02 else 3}f}"
    return f"**{text}**" if abs(value - level) > half else text


def tables(found: dict[Cell, Found], compared: list, detected: Detected) -> str:
    """The four tables of docs/validation.md."""
    blocks = [false_positives(found), known_truth(found), same_as_nilearn(compared), true_positives(detected)]
    studies, images = (
        len(next(iter(of))) for of in ([cell.error for cell in found.values()], detected.values())
    )
    head = f"{studies} null studies per design and length, {images} simulated ones per motion"
    return "\n\n".join([head, *blocks])


def rows(header: list[str], lines: list[list[str]]) -> str:
    return "\n".join(
        [
            f"| {' | '.join(header)} |",
            "|---" * len(header) + "|",
            *(f"| {' | '.join(line)} |" for line in lines),
        ]
    )


def false_positives(found: dict[Cell, Found]) -> str:
    """Percent of silent voxels with p below .05, .01 and .001, of each test."""
    header = ["design, scans", "noise model", "noise"]
    header += [f"{test} {f'{level:g}'[1:]}" for test in TESTS for level in LEVELS]
    lines = []
    for (kind, scans, model, rho), cell in found.items():
        rates = [
            share(*cell.rate(test, level), LEVELS[level]) for test in TESTS for level in range(len(LEVELS))
        ]
        lines.append([f"{kind}, {scans}", model, f"{rho:g}", *rates])
    halves = [
        np.median([cell.rate("t", level)[1] for cell in found.values()]) for level in range(len(LEVELS))
    ]
    bounds = ", ".join(
        f"{100 * level:g} ± {100 * half:.{2 if level > 0.02 else 3}f} %"
        for level, half in zip(LEVELS, halves, strict=True)
    )
    return f"{rows(header, lines)}\n\nBounds (median over the rows, for t): {bounds}"


def known_truth(found: dict[Cell, Found]) -> str:
    """The z of t against N(0, 1), the AR(1) coefficient, bias and coverage of the effect."""
    header = ["design, scans", "noise model", "noise", "coefficient", "z mean", "z sd", "KS distance"]
    header += ["bias of the effect (%)", "sd of the effect", "95 % interval covers (%)"]
    lines = []
    for (kind, scans, model, rho), cell in found.items():
        mean, deviation = np.mean(cell.moments, axis=0)
        of_z = [f"{mean:.3f}", f"{deviation:.3f}", f"{cell.ks():.4f}"]
        of_effect = [with_error(cell.error, 2), f"{np.mean(cell.spread):.2f}", share(*cell.coverage(), 0.95)]
        of_noise = [f"{rho:g}", f"{np.mean(cell.coefficient):.2f}"]
        lines.append([f"{kind}, {scans}", model, *of_noise, *of_z, *of_effect])
    return rows(header, lines)


def same_as_nilearn(compared: list) -> str:
    """Rates of t on the same arrays, here and by nilearn."""
    header = [
        "design, scans",
        "noise model",
        "noise",
        "t .05, .01, .001",
        "nilearn",
        "largest difference in z",
    ]
    lines = []
    for (kind, scans, model, rho), (ours, theirs, distance) in zip(COMPARED, compared, strict=True):
        both = [", ".join(f"{100 * rate:.3f}" for rate in rates) for rates in (ours, theirs)]
        lines.append([f"{kind}, {scans}", model, f"{rho:g}", *both, f"{distance:.1e}"])
    return rows(header, lines)


def true_positives(detected: Detected) -> str:
    """Percent of voxels found, by their true effect, at one false positive in a thousand."""
    names = [f"{low:g} to {high:g} %" for low, high in itertools.pairwise(BINS)]
    header = ["motion (mm)", "strategy", *names, "threshold z", "p < .001 (%)", "bias (%)"]
    lines = []
    for (motion, strategy), studies in detected.items():
        of = {name: [study[name] for study in studies] for name in ("found", "threshold", "nominal", "bias")}
        shares = [with_error(values) for values in np.transpose(of["found"])]
        z_level = [f"{np.mean(of['threshold']):.2f}", f"{100 * np.mean(of['nominal']):.3f}"]
        lines.append([f"{motion:g}", strategy, *shares, *z_level, with_error(of["bias"])])
    return rows(header, lines)


def with_error(values: np.ndarray | list[float], digits: int = 1) -> str:
    """Mean over studies in percent, and its standard error."""
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{100 * np.mean(values):.{digits}f} ± {100 * error:.{digits}f}"


def draw(found: dict[Cell, Found], detected: Detected, path: Path) -> None:
    """False positives per length above; z, coverage and sensitivity below."""
    figure, axes = plt.subplots(2, 3, figsize=(11, 6.4), layout="constrained")
    for ax, scans in zip(axes[0], null_studies.TIMINGS, strict=True):
        draw_rates(ax, found, scans)
        ax.sharey(axes[0, 0])
    axes[0, 0].set_ylabel("voxels without effect with p < .001 (%)")
    axes[0, 0].legend(frameon=False, fontsize=8, loc="upper left")
    draw_z(axes[1, 0], found)
    draw_coverage(axes[1, 1], found)
    draw_sensitivity(axes[1, 2], detected)
    for ax in axes.flat:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="y", alpha=0.3)
        ax.tick_params(labelsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)


STYLES = {"events": "o-", "blocks": "s--"}


def draw_rates(ax: plt.Axes, found: dict[Cell, Found], scans: int) -> None:
    """Rate of t against the noise, with the bounds of a test that holds its level."""
    level = len(LEVELS) - 1
    for kind in KINDS:
        for model in MODELS:
            of = [
                (cell[3], found[cell].rate("t", level)) for cell in found if cell[:3] == (kind, scans, model)
            ]
            x, rates = [rho for rho, _ in of], [100 * rate for _, (rate, _) in of]
            ax.plot(x, rates, STYLES[kind], color=COLOURS[model], markersize=5, label=f"{model}, {kind}")
    half = 100 * np.median([found[cell].rate("t", level)[1] for cell in found if cell[1] == scans])
    ax.axhspan(100 * LEVELS[level] - half, 100 * LEVELS[level] + half, color="0.85", zorder=0)
    ax.set_yscale("log")
    ax.set_ylim(0.07, 2.2)
    ticks = (0.1, 0.2, 0.5, 1, 2)
    ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.yaxis.set_minor_locator(mpl.ticker.NullLocator())
    ax.set_xlabel("AR(1) coefficient of the noise")
    ax.set_title(
        f"2 runs of {scans} scans, TR {null_studies.TIMINGS[scans].repetition_time:g} s", fontsize=10
    )


def draw_z(ax: plt.Axes, found: dict[Cell, Found]) -> None:
    """Quantiles of z less those of N(0, 1), in the cell that misses most and in white noise."""
    for cell, style in (
        (("blocks", 128, "ols", 0.0), "-"),
        (("blocks", 42, "ar1", 0.3), "-"),
        (("blocks", 42, "ar1_corrected", 0.3), "-"),
    ):
        below = np.mean(found[cell].below, axis=0)
        inner = (below > 0.001) & (below < 0.999)
        difference = special.ndtri(below[inner]) - QUANTILES[inner]
        label = f"{cell[2]}, noise {cell[3]:g}, {cell[1]} scans"
        ax.plot(QUANTILES[inner], -difference, style, color=COLOURS[cell[2]], label=label)
    ax.axhline(0, color="k", linewidth=0.8)
    ax.set_xlabel("quantile of N(0, 1)")
    ax.set_ylabel("quantile of z, less that of N(0, 1)")
    ax.legend(frameon=False, fontsize=8)


def draw_coverage(ax: plt.Axes, found: dict[Cell, Found]) -> None:
    """Coverage of the 95 % interval against the noise, short runs and long ones."""
    for model in ("ar1", "ar1_corrected"):
        for scans, marker in ((390, "o-"), (42, "s--")):
            of = [
                (cell[3], found[cell].coverage()[0]) for cell in found if cell[:3] == ("blocks", scans, model)
            ]
            x, y = [rho for rho, _ in of], [100 * value for _, value in of]
            ax.plot(x, y, marker, color=COLOURS[model], markersize=5, label=f"{model}, {scans} scans")
    ax.axhline(95, color="k", linewidth=0.8)
    ax.set_xlabel("AR(1) coefficient of the noise, blocks")
    ax.set_ylabel("95 % intervals that hold the effect (%)")
    ax.set_ylim(79, 95.8)
    ax.legend(frameon=False, fontsize=8, loc="lower left")


def draw_sensitivity(ax: plt.Axes, detected: Detected) -> None:
    """Share of voxels found against their true effect, mean and standard error over studies."""
    x = (np.array(BINS[:-1]) + np.array(BINS[1:])) / 2
    drawn = {
        (0.0, "direct"): ("0.4", "no motion"), (2.0, "direct"): ("C2", "2 mm, direct"),
        (2.0, "sequential"): ("C3", "2 mm, sequential"),
    }  # fmt: skip
    for key, (colour, label) in drawn.items():
        shares = 100 * np.array([study["found"] for study in detected[key]])
        error = shares.std(axis=0, ddof=1) / np.sqrt(len(shares))
        ax.errorbar(
            x, shares.mean(axis=0), error, fmt="o-", color=colour, markersize=5, capsize=3, label=label
        )
    ax.set_ylim(0, 102)
    ax.set_xlabel("true effect (percent signal change)")
    ax.set_ylabel("found at false positives of .001 (%)")
    ax.legend(frameon=False, fontsize=8)


if __name__ == "__main__":
    main()
