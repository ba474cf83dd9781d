# In: betas with their variances and designs. Out: maps of each contrast, over runs and of each run, what of them
# survives thresholding, and lists of them.


rule compute_contrast:
    """Test a t contrast over the runs of a unit, threshold its z map, list its peaks."""
    input:
        **PLAN.of_noise(posteriors=over(names.POSTERIOR), processes=over(names.PROCESSES)),
        **PLAN.of_arma(armas=over(names.ARMA)),
        betas=over(names.BETA),
        sigma2s=over(names.SIGMA2),
        ar1s=over(names.AR1),
        designs=over(names.DESIGN),
        design_jsons=over(names.DESIGN_JSON),
        fits=over(names.FIT_JSON),
        mask=names.MASK,
    output:
        **names.maps_of("t"),
        **names.SURVIVING,
    log:
        "<logs>/compute_contrast/sub-{subject}/{unit}_contrast-{contrast}.log",
    benchmark:
        "<benchmarks>/compute_contrast/sub-{subject}/{unit}_contrast-{contrast}.tsv"
    wildcard_constraints:
        contrast=names.any_of(MODEL.of_statistic("t")),
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=needs(500, per_gb=300),
        runtime=30,
    params:
        rows=of_contrast(lambda contrast: list(contrast.rows)),
        statistic=of_contrast("statistic"),
        label="{contrast}",
        weights=MODEL.subject.weights,
        coverage=MODEL.subject.coverage,
        inference=MODEL.inference,
        code=code_digest("compute_contrast"),
    script:
        "../scripts/compute_contrast.py"


use rule compute_contrast as compute_contrast_f with:
    output:
        **names.maps_of("F"),
        **names.SURVIVING,
    wildcard_constraints:
        contrast=names.any_of(MODEL.of_statistic("F")),
    params:
        f_test=MODEL.subject.f_test,


use rule compute_contrast as compute_run_contrast with:
    input:
        **PLAN.of_noise(posteriors=names.POSTERIOR, processes=names.PROCESSES),
        **PLAN.of_arma(armas=names.ARMA),
        betas=names.BETA,
        sigma2s=names.SIGMA2,
        ar1s=names.AR1,
        designs=names.DESIGN,
        design_jsons=names.DESIGN_JSON,
        fits=names.FIT_JSON,
        mask=unit_of_run(names.MASK),
    output:
        **names.maps_of("t", names.NODE_RUN),
    log:
        "<logs>/compute_run_contrast/sub-{subject}/{run}_contrast-{contrast}.log",
    benchmark:
        "<benchmarks>/compute_run_contrast/sub-{subject}/{run}_contrast-{contrast}.tsv"
    params:
        weights="equal",
        unestimable="missing",
        inference=None,


use rule compute_run_contrast as compute_run_contrast_f with:
    output:
        **names.maps_of("F", names.NODE_RUN),
    wildcard_constraints:
        contrast=names.any_of(MODEL.of_statistic("F")),
    params:
        f_test=MODEL.subject.f_test,


rule list_maps:
    """List the maps of all subjects, for a second level."""
    input:
        effects=lambda wildcards: PLAN.of_maps(names.map_of("effect")),
        variances=lambda wildcards: PLAN.of_maps(names.map_of("variance")),
        masks=lambda wildcards: PLAN.of_maps(names.MASK),
        sidecars=lambda wildcards: PLAN.of_maps(names.CONTRAST_JSON),
    output:
        table=names.MAPS,
    log:
        "<logs>/list_maps.log",
    benchmark:
        "<benchmarks>/list_maps.tsv"
    localrule: True
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=300,
        runtime=5,
    params:
        subjects=lambda wildcards: PLAN.of_maps("{subject}"),
        tasks=lambda wildcards: PLAN.of_maps("{task}"),
        contrasts=lambda wildcards: PLAN.of_maps("{contrast}"),
        code=code_digest("list_maps"),
    script:
        "../scripts/list_maps.py"
