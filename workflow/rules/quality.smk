# In: measures of runs, designs, z maps. Out: which runs went into which contrast, a verdict on each measure.


rule judge_quality:
    """Compare the measures of a subject with their limits."""
    input:
        measures=over(names.MEASURES),
        timeseries=over(names.TIMESERIES),
        designs=over(names.DESIGN),
        design_jsons=over(names.DESIGN_JSON),
        zs=over(names.map_of("z")),
        contrast_jsons=over(names.CONTRAST_JSON),
        mask=names.MASK,
    output:
        contrasts=names.CONTRASTS,
        table=names.QUALITY,
        sidecar=names.QUALITY_JSON,
    log:
        "<logs>/judge_quality/sub-{subject}/{unit}.log",
    benchmark:
        "<benchmarks>/judge_quality/sub-{subject}/{unit}.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=needs(400, per_gb=50),
        runtime=15,
    params:
        runs=over("{run}"),
        rows=lambda wildcards: {label: list(one.rows) for label, one in MODEL.contrasts.items()},
        limits=PLAN.limits,
        code=code_digest("judge_quality"),
    script:
        "../scripts/judge_quality.py"
