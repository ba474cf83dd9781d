# In: what is kept of runs, designs, fits, z maps. Out: measures of quality, a verdict on each.


rule measure_quality:
    """Measure motion, coverage, signal to noise and the residuals of a run."""
    input:
        series=names.SERIES,
        signal=names.SIGNAL,
        bold_json=names.RESAMPLED_JSON,
        field_of_view=names.FIELD_OF_VIEW,
        design=names.DESIGN,
        design_json=names.DESIGN_JSON,
        beta=names.BETA,
        ar1=names.AR1,
        rsquared=names.RSQUARED,
        tsnr=names.TSNR,
        fit=names.FIT_JSON,
        confounds=of_run(INPUTS.motion_table),
        mask=unit_of_run(names.MASK),
    output:
        timeseries=names.TIMESERIES,
        measures=names.MEASURES,
    log:
        "<logs>/measure_quality/sub-{subject}/{run}.log",
    benchmark:
        "<benchmarks>/measure_quality/sub-{subject}/{run}.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=needs(400, per_gb=100),
        runtime=needs(10, per_gb=5),
    params:
        lags=PLAN.lags,
        code=code_digest("measure_quality"),
    script:
        "../scripts/measure_quality.py"


rule judge_quality:
    """Compare the measures of a subject with their limits."""
    input:
        measures=over(names.MEASURES),
        timeseries=over(names.TIMESERIES),
        designs=over(names.DESIGN),
        design_jsons=over(names.DESIGN_JSON),
        contrasts=names.CONTRASTS,
        zs=over(names.map_of("z")),
        contrast_jsons=over(names.CONTRAST_JSON),
        mask=names.MASK,
    output:
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
        runtime=needs(5, per_gb=2),
    params:
        runs=over("{run}"),
        rows=lambda wildcards: {label: list(one.rows) for label, one in MODEL.contrasts.items()},
        limits=PLAN.limits,
        code=code_digest("judge_quality"),
    script:
        "../scripts/judge_quality.py"
