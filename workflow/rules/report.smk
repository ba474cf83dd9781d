# In: figures, tables and sidecars. Out: a page per subject, and one that leads to them.
import snakemake as engine
from firstlevel.plan import preprocessed
from firstlevel.stage import sha256

TEMPLATES = [sha256(path) for path in sorted(ROOT.glob("workflow/report/*.html"))]
PREPROCESSED = preprocessed.folder_of(config)
PREPROCESSED_BY = [] if PREPROCESSED is None else preprocessed.generated_by(PREPROCESSED)
SOFTWARE = f"{PROJECT['name']} {PROJECT['version']}"


rule report_subject:
    """Show one subject on one page: maps, peaks, model, quality, methods, provenance."""
    input:
        tsv=of_subject(
            f"{SUBJECT}_contrast-{{contrast}}_inference.tsv",
            f"{SUBJECT}_contrast-{{contrast}}_clusters.tsv",
            f"{SUBJECT}_contrasts.tsv",
            f"{SUBJECT}_quality.tsv",
        ),
        json=of_subject(
            f"{SUBJECT}_contrast-{{contrast}}_statmap.json",
            f"{RUN}_desc-resampled_bold.json",
            f"{RUN}_design.json",
            f"{RUN}_glm.json",
        ),
        png=of_subject(
            *(f"{FIGURE}/{SUBJECT_LABEL}_contrast-{{contrast}}_{kind}.png" for kind in CONTRAST_FIGURES),
            *(f"{FIGURE}/{RUN_LABEL}_{kind}.png" for kind in RUN_FIGURES),
        ),
        html=of_subject(f"{FIGURE}/{SUBJECT_LABEL}_contrast-{{contrast}}_viewer.html"),
    output:
        page="<results>/sub-{subject}/report.html",
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
        tasks=shown_tasks,
        config=provenance.without_names({k: v for k, v in config.items() if k != "pathvars"}, FOLDERS),
        digests={path.stem: code_digest(path.stem) for path in sorted(ROOT.glob("workflow/scripts/*.py"))},
        software=SOFTWARE,
        engine=f"snakemake {engine.__version__}",
        left_out=left_out_of_subject,
        are_preprocessed=PREPROCESSED is not None,
        preprocessed_by=as_it_is(PREPROCESSED_BY),
        code=[code_digest("report_subject"), *TEMPLATES],
    script:
        "../scripts/report_subject.py"


rule report_study:
    """Show all subjects on one page that leads to theirs."""
    input:
        pages=[f"<results>/sub-{subject}/report.html" for subject in TASKS_OF_SUBJECT],
    output:
        page="<results>/report.html",
    log:
        "<logs>/report_study.log",
    benchmark:
        "<benchmarks>/report_study.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=400,
        runtime=10,
    params:
        entries=[[*labels, len(runs), SESSION] for labels, runs in RUNS_OF_SUBJECT.items()],
        contrasts=list(config["contrasts"]),
        left_out=reasons_left_out(),
        software=SOFTWARE,
        code=[code_digest("report_study"), *TEMPLATES],
    script:
        "../scripts/report_study.py"
