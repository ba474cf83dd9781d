# In: maps, tables and series of a run or a contrast. Out: all its pictures, drawn by one job.
from firstlevel.reporting.labels import called
from firstlevel.stage import sha256

VIEWER = [sha256(ROOT / "workflow/report" / name) for name in ("viewer.js", "viewer.css")]


rule plot_run:
    """Draw the events, the design, the motion and the quality of a run."""
    input:
        **PLAN.of_noise(ar1=names.AR1, processes=names.PROCESSES),
        events=names.EVENTS,
        design=names.DESIGN,
        design_json=names.DESIGN_JSON,
        series=names.SERIES,
        bold_json=names.RESAMPLED_JSON,
        mask=unit_of_run(names.MASK),
        timeseries=names.TIMESERIES,
        measures=names.MEASURES,
        tsnr=names.TSNR,
        rsquared=names.RSQUARED,
        task_rsquared=names.TASK_RSQUARED,
        confounds=of_run(INPUTS.motion_table),
    output:
        **PLAN.of_noise(noise_figure=shown(names.run_figure("noise"), "noise")),
        events_figure=shown(names.run_figure("events"), "events"),
        design_figure=shown(names.run_figure("design"), "design"),
        motion_figure=shown(names.run_figure("motion"), "motion"),
        carpet_figure=shown(names.run_figure("carpet"), "carpet"),
        tsnr_figure=shown(names.run_figure("tsnr"), "tSNR"),
        rsquared_figure=shown(names.run_figure("rsquared"), "R²"),
        correlation_figure=shown(names.run_figure("correlation"), "correlation"),
        residuals_figure=shown(names.run_figure("residuals"), "residuals"),
    log:
        "<logs>/plot_run/sub-{subject}/{run}.log",
    benchmark:
        "<benchmarks>/plot_run/sub-{subject}/{run}.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=needs(500, per_gb=150),
        runtime=30,
    params:
        title=PLAN.title,
        code=code_digest("plot_run"),
    script:
        "../scripts/plot_run.py"


rule plot_contrast:
    """Draw a z map, thresholded maps and the distribution of z, and write an interactive viewer."""
    input:
        z=names.map_of("z"),
        mask=names.MASK,
        background=of_unit(INPUTS.background),
        uncorrected=names.UNCORRECTED,
        fdr=names.FDR,
        bonferroni=names.BONFERRONI,
        tdp=names.TRUE_DISCOVERIES,
        table=names.THRESHOLDS,
        of_runs=lambda wildcards: PLAN.targets.z_of_runs(STUDY.units[wildcards.unit], wildcards.contrast),
    output:
        **({"runs_figure": shown(names.EACH_RUN, "each run")} if MODEL.run.has_maps else {}),
        zmap_figure=shown(names.contrast_figure("zmap"), "z map"),
        uncorrected_figure=shown(names.contrast_figure("desc-uncorrected_zmap"), "uncorrected"),
        fdr_figure=shown(names.contrast_figure("desc-fdr_zmap"), "FDR"),
        bonferroni_figure=shown(names.contrast_figure("desc-bonferroni_zmap"), "Bonferroni"),
        tdp_figure=shown(names.contrast_figure("desc-tdp_zmap"), "true discoveries"),
        histogram_figure=shown(names.contrast_figure("zhistogram"), "z histogram"),
        viewer_page=shown(names.contrast_figure("viewer", ".html"), "viewer"),
    log:
        "<logs>/plot_contrast/sub-{subject}/{unit}_contrast-{contrast}.log",
    benchmark:
        "<benchmarks>/plot_contrast/sub-{subject}/{unit}_contrast-{contrast}.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=needs(600, per_gb=100),
        runtime=30,
    params:
        **PLAN.figures,
        key="{unit}_contrast-{contrast}",
        title=PLAN.title,
        runs=lambda wildcards: [
            called(run.label)
            for run in PLAN.targets.runs_of(STUDY.units[wildcards.unit], wildcards.contrast)
        ],
        signed=of_contrast("is_signed"),
        code=[code_digest("plot_contrast"), *VIEWER],
    script:
        "../scripts/plot_contrast.py"
