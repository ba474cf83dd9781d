# In: runs, designs, the mask. Out: betas with their variances, run by run; measures of quality; betas of single trials.


rule fit_glm:
    """Fit one run: betas, residual variance, noise, R2 and tSNR maps, and measures of its quality."""
    input:
        **PLAN.of_one_reading(reference=of_run(INPUTS.reference), headers=names.HEADERS),
        **({} if MODEL.reads_once else {"bold_json": names.RESAMPLED_JSON}),
        bold=of_run(INPUTS.bold),
        design=names.DESIGN,
        design_json=names.DESIGN_JSON,
        mask=unit_of_run(names.MASK),
        field_of_view=of_run(INPUTS.field_of_view),
        coverage=names.FIELD_OF_VIEW,
        confounds=of_run(INPUTS.motion_table),
    output:
        **PLAN.of_one_reading(mean=names.MEAN_OF_RUN, bold_json=names.RESAMPLED_JSON),
        **PLAN.of_noise(posterior=names.POSTERIOR, processes=names.PROCESSES),
        **PLAN.of_arma(arma=names.ARMA),
        beta=names.BETA,
        sigma2=names.SIGMA2,
        ar1=names.AR1,
        rsquared=names.RSQUARED,
        task_rsquared=names.TASK_RSQUARED,
        tsnr=names.TSNR,
        series=names.SERIES,
        timeseries=names.TIMESERIES,
        measures=names.MEASURES,
        sidecar=names.FIT_JSON,
    log:
        "<logs>/fit_glm/sub-{subject}/{run}.log",
    benchmark:
        "<benchmarks>/fit_glm/sub-{subject}/{run}.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=needs(300, per_gb=300),
        runtime=needs(10, per_gb=10),
    params:
        noise_model=MODEL.run.noise_model,
        signal_scaling=MODEL.run.signal_scaling,
        lags=PLAN.lags,
        code=code_digest("fit_glm"),
    script:
        "../scripts/fit_glm.py"


rule fit_trials:
    """Fit each trial of one run, where the config asks for single trials: a beta and a t map per trial."""
    input:
        **PLAN.of_trials(PLAN.of_noise(posterior=names.POSTERIOR, processes=names.PROCESSES)),
        **PLAN.of_trials(PLAN.of_arma(arma=names.ARMA)),
        bold=of_run(INPUTS.bold),
        events=names.EVENTS,
        events_json=names.EVENTS_JSON,
        design=names.DESIGN,
        design_json=names.DESIGN_JSON,
        fit=names.FIT_JSON,
        sigma2=names.SIGMA2,
        mask=unit_of_run(names.MASK),
    output:
        beta=names.TRIAL_BETA,
        t=names.TRIAL_T,
        trials=names.TRIALS,
        sidecar=names.TRIALS_JSON,
    log:
        "<logs>/fit_trials/sub-{subject}/{run}.log",
    benchmark:
        "<benchmarks>/fit_trials/sub-{subject}/{run}.tsv"
    wildcard_constraints:
        run=names.LABELLED if MODEL.run.single_trials else names.any_of([]),
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=needs(400, per_gb=100),
        disk_mb=needs(200, per_gb=4000),
        runtime=needs(20, per_gb=60),
    params:
        **as_they_are({**(MODEL.run.single_trials or {}), "of_responses": MODEL.run.design}),
        signal_scaling=MODEL.run.signal_scaling,
        code=code_digest("fit_trials"),
    script:
        "../scripts/fit_trials.py"
