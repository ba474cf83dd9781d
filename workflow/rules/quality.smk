# In: resampled runs, designs, fits, z maps. Out: measures of quality, their pictures, a verdict on each.
LIMITS = {name: limit for name, limit in config["quality"].items() if name != "lags"}


rule measure_quality:
    """Measure motion, coverage, signal to noise and the residuals of a run."""
    input:
        bold=f"<results>/{RUN}_desc-resampled_bold.nii",
        bold_json=f"<results>/{RUN}_desc-resampled_bold.json",
        field_of_view=f"<results>/{RUN}_desc-fov_mask.nii.gz",
        design=f"<results>/{RUN}_design.tsv",
        design_json=f"<results>/{RUN}_design.json",
        beta=f"<results>/{RUN}_stat-beta_statmap.nii.gz",
        ar1=f"<results>/{RUN}_stat-ar1_statmap.nii.gz",
        rsquared=f"<results>/{RUN}_stat-rsquared_statmap.nii.gz",
        fit=f"<results>/{RUN}_glm.json",
        confounds=motion_table,
        mask=f"<results>/{SUBJECT}_desc-brain_mask.nii.gz",
    output:
        timeseries=f"<results>/{RUN}_desc-quality_timeseries.tsv",
        measures=f"<results>/{RUN}_desc-quality_timeseries.json",  # a run without a label is named as its subject
        tsnr=f"<results>/{RUN}_stat-tsnr_statmap.nii.gz",
    log:
        f"<logs>/measure_quality/{RUN_LABEL}.log",
    benchmark:
        f"<benchmarks>/measure_quality/{RUN_LABEL}.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=needs(400, per_gb=1200),
        runtime=needs(20, per_gb=20),
    params:
        lags=config["quality"]["lags"],
        code=code_digest("measure_quality"),
    script:
        "../scripts/measure_quality.py"


rule plot_quality:
    """Draw the signal over time, the maps, the correlations and the residuals of a run: nilearn loads once."""
    input:
        bold=f"<results>/{RUN}_desc-resampled_bold.nii",
        mask=f"<results>/{SUBJECT}_desc-brain_mask.nii.gz",
        design=f"<results>/{RUN}_design.tsv",
        design_json=f"<results>/{RUN}_design.json",
        timeseries=f"<results>/{RUN}_desc-quality_timeseries.tsv",
        measures=f"<results>/{RUN}_desc-quality_timeseries.json",
        tsnr=f"<results>/{RUN}_stat-tsnr_statmap.nii.gz",
        rsquared=f"<results>/{RUN}_stat-rsquared_statmap.nii.gz",
    output:
        carpet_figure=shown(f"<results>/{FIGURE}/{RUN_LABEL}_carpet.png", "carpet"),
        tsnr_figure=shown(f"<results>/{FIGURE}/{RUN_LABEL}_tsnr.png", "tSNR"),
        rsquared_figure=shown(f"<results>/{FIGURE}/{RUN_LABEL}_rsquared.png", "R²"),
        correlation_figure=shown(f"<results>/{FIGURE}/{RUN_LABEL}_correlation.png", "correlation"),
        residuals_figure=shown(f"<results>/{FIGURE}/{RUN_LABEL}_residuals.png", "residuals"),
    log:
        f"<logs>/plot_quality/{RUN_LABEL}.log",
    benchmark:
        f"<benchmarks>/plot_quality/{RUN_LABEL}.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=needs(700, per_gb=150),
        runtime=needs(10, per_gb=10),
    params:
        title=title,
        code=code_digest("plot_quality"),
    script:
        "../scripts/plot_quality.py"


rule judge_quality:
    """Hold the measures of a subject against their limits."""
    input:
        measures=over_runs(f"<results>/{RUN}_desc-quality_timeseries.json"),
        timeseries=over_runs(f"<results>/{RUN}_desc-quality_timeseries.tsv"),
        designs=over_runs(f"<results>/{RUN}_design.tsv"),
        design_jsons=over_runs(f"<results>/{RUN}_design.json"),
        contrasts=f"<results>/{SUBJECT}_contrasts.tsv",
        zs=of_contrasts(f"<results>/{SUBJECT}_contrast-{{contrast}}_stat-z_statmap.nii.gz"),
        contrast_jsons=of_contrasts(f"<results>/{SUBJECT}_contrast-{{contrast}}_statmap.json"),
        mask=f"<results>/{SUBJECT}_desc-brain_mask.nii.gz",
    output:
        table=f"<results>/{SUBJECT}_quality.tsv",
        sidecar=f"<results>/{SUBJECT}_quality.json",
    log:
        f"<logs>/judge_quality/{SUBJECT_LABEL}.log",
    benchmark:
        f"<benchmarks>/judge_quality/{SUBJECT_LABEL}.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=needs(400, per_gb=50),
        runtime=needs(5, per_gb=2),
    params:
        runs=over_runs(RUN_LABEL),
        rows=config["contrasts"],
        limits=LIMITS,
        code=code_digest("judge_quality"),
    script:
        "../scripts/judge_quality.py"
