# In: figures, tables and sidecars. Out: a page per subject, and one that leads to them.
import snakemake as engine
from firstlevel.plan import targets
from firstlevel.stage import sha256

TEMPLATES = [sha256(path) for path in sorted(ROOT.glob("workflow/report/*.html"))] + VIEWER
SOFTWARE = f"{PROJECT['name']} {PROJECT['version']}"


rule report_subject:
    """Show one subject on one page: maps, peaks, model, quality, methods, provenance."""
    input:
        model=names.MODEL,
        tsv=of_subject(names.THRESHOLDS, names.CLUSTERS, names.CONTRASTS, names.QUALITY),
        json=of_subject(names.CONTRAST_JSON, names.RESAMPLED_JSON, names.DESIGN_JSON, names.FIT_JSON),
        png=of_subject(*PLAN.targets.contrast_figures, *PLAN.targets.run_figures),
        html=of_subject(names.contrast_figure("viewer", ".html")),
        trials=asking(
            STUDY.of_subject, "subject", lambda units: PLAN.targets.trials_of(units, names.TRIALS_JSON)
        ),
    output:
        page=names.PAGE,
    log:
        "<logs>/report_subject/sub-{subject}.log",
    benchmark:
        "<benchmarks>/report_subject/sub-{subject}.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=300,
        runtime=5,
    params:
        subject="{subject}",
        units=lambda wildcards: PLAN.shown_units(wildcards.subject),
        config=lambda wildcards: PLAN.public_config,
        digests={path.stem: code_digest(path.stem) for path in sorted(SCRIPTS.glob("*.py"))},
        software=SOFTWARE,
        engine=f"snakemake {engine.__version__}",
        left_out=lambda wildcards: PLAN.left_out_of(wildcards.subject),
        are_preprocessed=lambda wildcards: PLAN.preprocessed_by is not None,
        preprocessed_by=lambda wildcards: PLAN.preprocessed_by or [],
        code=[code_digest("report_subject"), *TEMPLATES],
    script:
        "../scripts/report_subject.py"


rule report_study:
    """Show all subjects on one page that leads to theirs."""
    input:
        pages=lambda wildcards: PLAN.targets.pages,
    output:
        page=names.STUDY_PAGE,
    log:
        "<logs>/report_study.log",
    benchmark:
        "<benchmarks>/report_study.tsv"
    localrule: True
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=400,
        runtime=10,
    params:
        entries=lambda wildcards: PLAN.entries(),
        contrasts=list(MODEL.contrasts),
        left_out=lambda wildcards: PLAN.reasons_left_out(),
        software=SOFTWARE,
        code=[code_digest("report_study"), *TEMPLATES],
    script:
        "../scripts/report_study.py"
