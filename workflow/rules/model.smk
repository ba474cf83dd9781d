# In: events, resampled runs, the mask. Out: designs, betas with their variances, contrast maps, a list of these.


rule make_design_matrix:
    """Turn the events and confounds of a run into regressors."""
    input:
        events=f"<results>/{RUN}_events.tsv",
        events_json=f"<results>/{RUN}_events.json",
        bold=first_bold,
        headers=f"<results>/{RUN}_headers.json",
        confounds=confounds,
        confounds_json=confounds_json,
        sidecars=of_run("sidecars"),
        given=given_design,
    output:
        design=f"<results>/{RUN}_design.tsv",
        sidecar=f"<results>/{RUN}_design.json",
    log:
        f"<logs>/make_design_matrix/{RUN_LABEL}.log",
    benchmark:
        f"<benchmarks>/make_design_matrix/{RUN_LABEL}.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=with_tables(500, events=40, confounds=10, design=10),
        runtime=5,
    params:
        slice_time_ref=model.slice_time_ref(config),
        hrf_model=config["design"]["hrf_model"],
        sampling=config["design"]["sampling"],
        derivative_step=config["design"]["derivative_step"],
        undershoot_ratio=config["design"]["undershoot_ratio"],
        fir_delays=config["design"]["fir_delays"],
        fir_unit=config["design"]["fir_unit"],
        drift_model=config["design"]["drift_model"],
        drift_order=config["design"]["drift_order"],
        high_pass=config["design"]["high_pass"],
        min_onset=config["design"]["min_onset"],
        oversampling=config["design"]["oversampling"],
        confound_columns=as_it_is(config["design"]["confounds"]),
        confounds_first_row=config["design"]["confounds_first_row"],
        fmriprep_confounds=config["design"]["fmriprep_confounds"],
        motion_regressors=config["design"]["motion_regressors"],
        censor=config["design"]["censor"],
        given_part=of_run("design_part"),
        code=code_digest("make_design_matrix"),
    script:
        "../scripts/make_design_matrix.py"


rule fit_glm:
    """Fit one run: betas, residual variance, AR(1) and R2 maps."""
    input:
        bold=f"<results>/{RUN}_desc-resampled_bold.nii",
        design=f"<results>/{RUN}_design.tsv",
        design_json=f"<results>/{RUN}_design.json",
        mask=f"<results>/{SUBJECT}_desc-brain_mask.nii.gz",
        field_of_view=field_of_view,
    output:
        beta=f"<results>/{RUN}_stat-beta_statmap.nii.gz",
        sigma2=f"<results>/{RUN}_stat-sigma2_statmap.nii.gz",
        ar1=f"<results>/{RUN}_stat-ar1_statmap.nii.gz",
        rsquared=f"<results>/{RUN}_stat-rsquared_statmap.nii.gz",
        sidecar=f"<results>/{RUN}_glm.json",
    log:
        f"<logs>/fit_glm/{RUN_LABEL}.log",
    benchmark:
        f"<benchmarks>/fit_glm/{RUN_LABEL}.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=needs(400, per_gb=1200),
        runtime=needs(20, per_gb=20),
    params:
        noise_model=config["glm"]["noise_model"],
        signal_scaling=config["glm"]["signal_scaling"],
        code=code_digest("fit_glm"),
    script:
        "../scripts/fit_glm.py"


rule compute_contrast:
    """Test a contrast over the runs of a subject; compute_contrast_f names the map of F."""
    input:
        betas=over_runs(f"<results>/{RUN}_stat-beta_statmap.nii.gz"),
        sigma2s=over_runs(f"<results>/{RUN}_stat-sigma2_statmap.nii.gz"),
        ar1s=over_runs(f"<results>/{RUN}_stat-ar1_statmap.nii.gz"),
        designs=over_runs(f"<results>/{RUN}_design.tsv"),
        design_jsons=over_runs(f"<results>/{RUN}_design.json"),
        fits=over_runs(f"<results>/{RUN}_glm.json"),
        mask=f"<results>/{SUBJECT}_desc-brain_mask.nii.gz",
    output:
        effect=f"<results>/{SUBJECT}_contrast-{{contrast}}_stat-effect_statmap.nii.gz",
        variance=f"<results>/{SUBJECT}_contrast-{{contrast}}_stat-variance_statmap.nii.gz",
        stat=f"<results>/{SUBJECT}_contrast-{{contrast}}_stat-t_statmap.nii.gz",
        p=f"<results>/{SUBJECT}_contrast-{{contrast}}_stat-p_statmap.nii.gz",
        z=f"<results>/{SUBJECT}_contrast-{{contrast}}_stat-z_statmap.nii.gz",
        n_runs=f"<results>/{SUBJECT}_contrast-{{contrast}}_stat-nruns_statmap.nii.gz",
        sidecar=f"<results>/{SUBJECT}_contrast-{{contrast}}_statmap.json",
    log:
        f"<logs>/compute_contrast/{SUBJECT_LABEL}_contrast-{{contrast}}.log",
    benchmark:
        f"<benchmarks>/compute_contrast/{SUBJECT_LABEL}_contrast-{{contrast}}.tsv"
    wildcard_constraints:
        contrast=any_of(T_CONTRASTS),
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=needs(400, per_gb=300),
        runtime=needs(10, per_gb=10),
    params:
        rows=contrast_rows,
        statistic=statistic,
        label="{contrast}",
        weights=config["fixed_effects"]["weights"],
        coverage=config["fixed_effects"]["coverage"],
        code=code_digest("compute_contrast"),
    script:
        "../scripts/compute_contrast.py"


use rule compute_contrast as compute_contrast_f with:
    output:
        effect=f"<results>/{SUBJECT}_contrast-{{contrast}}_stat-effect_statmap.nii.gz",
        variance=f"<results>/{SUBJECT}_contrast-{{contrast}}_stat-variance_statmap.nii.gz",
        stat=f"<results>/{SUBJECT}_contrast-{{contrast}}_stat-F_statmap.nii.gz",
        p=f"<results>/{SUBJECT}_contrast-{{contrast}}_stat-p_statmap.nii.gz",
        z=f"<results>/{SUBJECT}_contrast-{{contrast}}_stat-z_statmap.nii.gz",
        n_runs=f"<results>/{SUBJECT}_contrast-{{contrast}}_stat-nruns_statmap.nii.gz",
        sidecar=f"<results>/{SUBJECT}_contrast-{{contrast}}_statmap.json",
    wildcard_constraints:
        contrast=any_of(F_CONTRASTS),
    params:
        f_test=config["fixed_effects"]["f_test"],


# One run's own name begins with its subject's only where it has a label; without one it is the subject's map.
use rule compute_contrast as compute_run_contrast with:
    input:
        betas=f"<results>/{RUN}_stat-beta_statmap.nii.gz",
        sigma2s=f"<results>/{RUN}_stat-sigma2_statmap.nii.gz",
        ar1s=f"<results>/{RUN}_stat-ar1_statmap.nii.gz",
        designs=f"<results>/{RUN}_design.tsv",
        design_jsons=f"<results>/{RUN}_design.json",
        fits=f"<results>/{RUN}_glm.json",
        mask=f"<results>/{SUBJECT}_desc-brain_mask.nii.gz",
    output:
        effect=f"<results>/{RUN}_contrast-{{contrast}}_stat-effect_statmap.nii.gz",
        variance=f"<results>/{RUN}_contrast-{{contrast}}_stat-variance_statmap.nii.gz",
        stat=f"<results>/{RUN}_contrast-{{contrast}}_stat-t_statmap.nii.gz",
        p=f"<results>/{RUN}_contrast-{{contrast}}_stat-p_statmap.nii.gz",
        z=f"<results>/{RUN}_contrast-{{contrast}}_stat-z_statmap.nii.gz",
        n_runs=f"<results>/{RUN}_contrast-{{contrast}}_stat-nruns_statmap.nii.gz",
        sidecar=f"<results>/{RUN}_contrast-{{contrast}}_statmap.json",
    log:
        f"<logs>/compute_contrast/{RUN_LABEL}_contrast-{{contrast}}.log",
    benchmark:
        f"<benchmarks>/compute_contrast/{RUN_LABEL}_contrast-{{contrast}}.tsv"
    wildcard_constraints:
        subject=LABELLED_RUN,
        contrast=any_of(T_CONTRASTS),
    params:
        weights="equal",
        unestimable="empty",


use rule compute_run_contrast as compute_run_contrast_f with:
    output:
        effect=f"<results>/{RUN}_contrast-{{contrast}}_stat-effect_statmap.nii.gz",
        variance=f"<results>/{RUN}_contrast-{{contrast}}_stat-variance_statmap.nii.gz",
        stat=f"<results>/{RUN}_contrast-{{contrast}}_stat-F_statmap.nii.gz",
        p=f"<results>/{RUN}_contrast-{{contrast}}_stat-p_statmap.nii.gz",
        z=f"<results>/{RUN}_contrast-{{contrast}}_stat-z_statmap.nii.gz",
        n_runs=f"<results>/{RUN}_contrast-{{contrast}}_stat-nruns_statmap.nii.gz",
        sidecar=f"<results>/{RUN}_contrast-{{contrast}}_statmap.json",
    wildcard_constraints:
        subject=LABELLED_RUN,
        contrast=any_of(F_CONTRASTS),
    params:
        f_test=config["fixed_effects"]["f_test"],


rule list_contrasts:
    """List which runs of a subject went into which contrast."""
    input:
        sidecars=of_contrasts(f"<results>/{SUBJECT}_contrast-{{contrast}}_statmap.json"),
    output:
        table=f"<results>/{SUBJECT}_contrasts.tsv",
    log:
        f"<logs>/list_contrasts/{SUBJECT_LABEL}.log",
    benchmark:
        f"<benchmarks>/list_contrasts/{SUBJECT_LABEL}.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=200,
        runtime=5,
    params:
        runs=over_runs(RUN_LABEL),
        code=code_digest("list_contrasts"),
    script:
        "../scripts/list_contrasts.py"


rule list_maps:
    """List the maps of all subjects, for a second level."""
    input:
        effects=of_every_map(f"<results>/{SUBJECT}_contrast-{{contrast}}_stat-effect_statmap.nii.gz"),
        variances=of_every_map(f"<results>/{SUBJECT}_contrast-{{contrast}}_stat-variance_statmap.nii.gz"),
        masks=of_every_map(f"<results>/{SUBJECT}_desc-brain_mask.nii.gz"),
        sidecars=of_every_map(f"<results>/{SUBJECT}_contrast-{{contrast}}_statmap.json"),
    output:
        table="<results>/maps.tsv",
    log:
        "<logs>/list_maps.log",
    benchmark:
        "<benchmarks>/list_maps.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=300,
        runtime=5,
    params:
        subjects=of_every_map("{subject}"),
        tasks=of_every_map("{task}"),
        contrasts=of_every_map("{contrast}"),
        code=code_digest("list_maps"),
    script:
        "../scripts/list_maps.py"
