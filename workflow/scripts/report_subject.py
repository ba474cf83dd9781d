"""Show one subject on one page: maps and peaks first, then the model, quality, methods and provenance.

The page is made from saved files alone and holds all that it shows: it can be mailed, printed and kept.
"""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from firstlevel import names, stage
from firstlevel.io import sidecars
from firstlevel.quality import verdicts
from firstlevel.reporting import methods, pages, references, run_facts
from firstlevel.reporting.pages import Picture

PACKAGES = ("nilearn", "numpy", "scipy", "nibabel", "numba", "pandas", "matplotlib")
SHOWN_CLUSTERS = 10
SHOWN_INPUTS = 4
THRESHOLDS = {"uncorrected": "uncorrected", "fdr": "FDR", "bonferroni": "Bonferroni"}
ENTITIES = {"ses": "session", "acq": "acq", "ce": "ce", "rec": "rec", "dir": "dir", "run": "run"}
OF_MODELS = {
    "design": "Design matrix: one row per volume, one column per regressor.",
    "events": "Events of each condition over time.",
}
OF_QUALITY = {
    "motion": "Head motion, by the volumes' affines or, where all share one, by the table of confounds.",
    "carpet": "Carpet plot: signal of voxels over time, below framewise displacement and DVARS.",
    "residuals": "Autocorrelation of the residuals from one volume to the next, before and after whitening.",
    "correlation": "Correlation of the regressors: effects of highly correlated ones are poorly separated.",
    "tsnr": "Temporal signal-to-noise ratio: mean over standard deviation in time.",
    "rsquared": "Share of the variance in time that the model explains, with confounds and censored volumes.",
}


def report_subject(
    *,
    tsv: list[Path],
    json: list[Path],
    model: Path,
    png: list[Path],
    html: list[Path],
    page: Path,
    subject: str,
    units: list[dict[str, Any]],
    config: dict[str, Any],
    digests: dict[str, str],
    software: str,
    engine: str,
    left_out: list[list[str]],
    are_preprocessed: bool,
    preprocessed_by: list[str],
) -> None:
    """Write the page of a subject.

    Parameters
    ----------
    tsv, json, png, html : tables, sidecars, figures and viewers of the subject, told apart by their names.
    units : `label` and `task`, `runs` (their labels), `titles`, of the contrasts by label, and `over_t1w`,
        whether their maps are drawn over the T1w.
    model : what was computed (``model.json``).
    config : with all defaults filled in.
    digests : of the code of each stage.
    software, engine : names with versions of the workflow and of what runs it.
    are_preprocessed : whether the images are.
    preprocessed_by : names with versions of what made them; none where their dataset does not tell.
    left_out : paths of the study that made no run of this subject, each with the reason.
    """
    files = {path.name: path for path in (*tsv, *json, *png, *html)}
    name, _, version = engine.partition(" ")
    versions = {name: version, **stage.versions(*PACKAGES)}
    content = sidecars.read_json(model)
    made_by = preprocessed_by if are_preprocessed else None
    values = {
        "subject": subject,
        "tasks": [_unit_of_page(files, unit, content, versions, made_by) for unit in units],
        "config": yaml.safe_dump(config, sort_keys=False, allow_unicode=True),
        "versions": versions,
        "digests": digests,
        "software": software,
        "left_out": left_out,
        "shown_clusters": SHOWN_CLUSTERS,
        "shown_inputs": SHOWN_INPUTS,
    }
    pages.write(page, "subject.html", values)


def _unit_of_page(
    files: dict[str, Path],
    unit: dict[str, Any],
    model: dict[str, Any],
    versions: dict[str, str],
    preprocessed_by: list[str] | None,
) -> dict[str, Any]:
    """All that a page shows of one task."""
    start, task = unit["label"], unit["task"]
    runs = [_run(files, name) for name in unit["runs"]]
    facts = [run["facts"] for run in runs]
    text = methods.sentences(model, facts, versions, preprocessed_by, over_t1w=unit["over_t1w"])
    quality = [_check(row) for row in pages.cells(files[names.last(names.QUALITY, unit=start)])]
    left_out = [
        row for row in pages.cells(files[names.last(names.CONTRASTS, unit=start)]) if row["used"] == "false"
    ]
    labels = {"subject": names.entities_in(start)["sub"], "unit": start}
    contrasts = [
        _contrast(files, {**labels, "contrast": label}, title) for label, title in unit["titles"].items()
    ]
    return {
        "name": task,
        "id": f"task-{task}",
        "contrasts": contrasts,
        "methods": [row["name"] for row in contrasts[0]["thresholds"]],
        "runs": runs,
        "quality": quality,
        "warnings": [row for row in quality if row["verdict"] == verdicts.CHECK],
        "n_unknown": sum(row["verdict"] == verdicts.UNKNOWN for row in quality),
        "left_out": [{**row, "run": _where({**row, "contrast": "n/a"})} for row in left_out],
        "methods_text": references.cited(text),
        "references": [_reference(reference) for reference in references.reference_list(text)],
    }


def _contrast(files: dict[str, Path], labels: dict[str, str], title: str) -> dict[str, Any]:
    def file(pattern: str) -> Path:
        return files[names.last(pattern, **labels)]

    sidecar = sidecars.read_json(file(names.CONTRAST_JSON))
    dof = sidecar["DegreesOfFreedom"]
    told = f"F({dof[0]}, {dof[1]})" if isinstance(dof, list) else f"t({dof})"
    table = file(names.CLUSTERS)
    clusters = [
        row
        | {"peak_z": f"{float(row['peak_z']):.2f}", "share": _share(row["true_discovery_proportion"])}
        | {key: f"{float(row[key]):.0f}" for key in ("x", "y", "z", "size_mm3")}
        for row in pages.clusters(table)
    ]
    peak = clusters[0] if clusters else None
    at = f"; peak z {peak['peak_z']} at ({peak['x']}, {peak['y']}, {peak['z']}) mm" if peak else ""
    return {
        "id": "{unit}_contrast-{contrast}".format(**labels),
        "label": labels["contrast"],
        "expression": ", ".join(sidecar["Contrast"]),
        "test": f"{told}, {len(sidecar['Runs'])} run{'s' if len(sidecar['Runs']) != 1 else ''}",
        "n_runs": len(sidecar["Runs"]),
        "unit": _unit(sidecar),
        "coverage": _coverage(sidecar),
        "peak": peak,
        "clusters": clusters,
        "table": names.below(Path(".."), names.CLUSTERS, **labels).as_posix(),  # from the page
        "thresholds": [
            row | {"name": THRESHOLDS[row["method"]], "z_threshold": pages.rounded(row["z_threshold"])}
            for row in pages.cells(file(names.THRESHOLDS))
        ],
        "zmap": pages.picture(file(names.contrast_figure("zmap")), f"z map of {title}{at}", ""),
        "viewer": file(names.contrast_figure("viewer", ".html")).read_text(encoding="utf-8"),
        "thresholded": pages.picture(
            file(names.contrast_figure("thresholds")),
            f"{title}: thresholded z maps{at}",
            "What survives each threshold, and a lower bound of the share of active voxels per cluster.",
        ),
        "histogram": pages.picture(
            file(names.contrast_figure("zhistogram")),
            f"{title}: histogram of z",
            "Distribution of z in the mask, against the standard normal of voxels without activation.",
        ),
    }


def _unit(sidecar: dict[str, Any]) -> str:
    """What an effect of 1 means, and what it is at the peak of the response to one event."""
    told = f"Effects are in {sidecar['EffectUnit'].partition(' (')[0]}"
    peaks = {
        condition: f"{response['Peak']:.3g} times that for one event of {condition} "
        f"({response['EventDuration']:g} s)"
        for run in sidecar["Runs"]
        for condition, response in run["Responses"].items()
    }
    return f"{told}; at the peak, {', '.join(peaks.values())}." if peaks else f"{told}."


def _coverage(sidecar: dict[str, Any]) -> str:
    """How many voxels are from fewer runs than others; nothing where all are from all."""
    counts = {int(n): count for n, count in sidecar["VoxelsByNumberOfRuns"].items()}
    fewer = {n: count for n, count in sorted(counts.items()) if count and n < max(counts)}
    if not fewer:
        return ""
    told = ", ".join(f"{count:,} from {n} run{'s' if n != 1 else ''}" for n, count in fewer.items())
    return f"{sum(fewer.values()):,} of {sum(counts.values()):,} voxels are not in every run: {told}."


def _run(files: dict[str, Path], name: str) -> dict[str, Any]:
    moved = sidecars.read_json(files[names.last(names.RESAMPLED_JSON, run=name)])
    design = sidecars.read_json(files[names.last(names.DESIGN_JSON, run=name)])
    fit = sidecars.read_json(files[names.last(names.FIT_JSON, run=name)])
    roles = Counter(column["Role"] for column in design["Columns"])
    inputs = moved["Inputs"]
    listed = "".join(f"{file['Sha256']}\n" for file in inputs)
    return {
        "label": _where({"run": name, "contrast": "n/a"}).capitalize(),
        "n_scans": fit["NumberOfVolumes"],
        "repetition_time": f"{design['RepetitionTime']:g}",
        "n_columns": len(fit["Columns"]),
        "roles": ", ".join(f"{count} {role}" for role, count in roles.items()),
        "dof": fit["DegreesOfFreedom"],
        "n_voxels": f"{fit['NumberOfVoxels']:,}",
        "warnings": design.get("Warnings", []),
        "facts": run_facts.Run(
            n_scans=fit["NumberOfVolumes"],
            repetition_time=design["RepetitionTime"],
            n_motion=roles["motion"],
            n_confounds=roles["confound"],
            n_censored=roles["censor"],
            start_time=design.get("StartTime", 0.0),
            start_source=design.get("SliceTimeSource", ""),
            equal_steps=design["EqualSteps"],
            modulators=design.get("Modulators", ()),
            has_events=roles["condition"] > 0,
            n_drift=roles["drift"],
            n_cosines=sum(
                column["Role"] == "confound" and run_facts.is_cosine(column["Name"])
                for column in design["Columns"]
            ),
            n_copied=moved.get("VolumesCopied"),
            displacement_from=design.get("FramewiseDisplacementFrom", ""),
            given=design.get("DesignForm", ""),
            given_notes=design.get("DesignNotes", ()),
            n_columns=len(fit["Columns"]),
        ),
        "model": _pictures(files, name, OF_MODELS, name),
        "quality": _pictures(files, name, OF_QUALITY, name),
        "inputs": inputs,
        "inputs_digest": hashlib.sha256(listed.encode()).hexdigest(),
        "files": fit["Inputs"],
        "sidecar": names.last(names.RESAMPLED_JSON, run=name),
    }


def _check(row: dict[str, str]) -> dict[str, str]:
    """One row of the table of quality."""
    orders = {f"{key}_order": pages.order(row[key]) for key in ("value", "limit")}
    return {**row, **orders, "where": _where(row), "value": pages.rounded(row["value"])}


def _pictures(files: dict[str, Path], start: str, captions: dict[str, str], whose: str) -> list[Picture]:
    return [
        pages.picture(files[names.last(names.run_figure(kind), run=start)], f"{caption} {whose}", caption)
        for kind, caption in captions.items()
    ]


def _where(row: dict[str, str]) -> str:
    """What a row is about: a run, a contrast, or the subject."""
    labels = names.entities_in(row["run"])
    named = [f"{name} {labels[entity]}" for entity, name in ENTITIES.items() if entity in labels]
    named += [row["contrast"]] * (row["contrast"] != "n/a")
    return ", ".join(named) or ("run" if row["run"] != "n/a" else "subject")


def _share(proportion: str) -> str:
    return f"{float(proportion):.0%}" if proportion != "n/a" else ""


def _reference(text: str) -> tuple[str, str]:
    """Text and address of a reference."""
    told, separator, doi = text.rpartition("https://doi.org/")
    return (told, separator + doi) if separator else (text, "")


if __name__ == "__main__":
    stage.run(report_subject, globals().get("snakemake"))
