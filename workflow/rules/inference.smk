# In: z maps, masks, mean images. Out: what of a contrast survives thresholding, as maps, tables and pictures.


rule compute_inference:
    """Threshold a z map, bound the true discoveries of its clusters, list its peaks."""
    input:
        z=names.map_of("z"),
        mask=names.MASK,
    output:
        uncorrected=names.UNCORRECTED,
        fdr=names.FDR,
        bonferroni=names.BONFERRONI,
        tdp=names.TRUE_DISCOVERIES,
        thresholds=names.THRESHOLDS,
        clusters=names.CLUSTERS,
    log:
        "<logs>/compute_inference/sub-{subject}/{unit}_contrast-{contrast}.log",
    benchmark:
        "<benchmarks>/compute_inference/sub-{subject}/{unit}_contrast-{contrast}.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=needs(600, per_gb=100),
        runtime=needs(10, per_gb=5),
    params:
        **MODEL.inference,
        signed=of_contrast("is_signed"),
        code=code_digest("compute_inference"),
    script:
        "../scripts/compute_inference.py"


rule plot_inference:
    """Draw what passes which threshold, the distribution of z, and an interactive viewer."""
    input:
        z=names.map_of("z"),
        mask=names.MASK,
        background=of_unit(INPUTS.background),
        uncorrected=names.UNCORRECTED,
        fdr=names.FDR,
        bonferroni=names.BONFERRONI,
        tdp=names.TRUE_DISCOVERIES,
        table=names.THRESHOLDS,
    output:
        thresholds=shown(names.contrast_figure("thresholds"), "thresholds"),
        histogram=shown(names.contrast_figure("zhistogram"), "z histogram"),
        viewer=shown(names.contrast_figure("viewer", ".html"), "viewer"),
    log:
        "<logs>/plot_inference/sub-{subject}/{unit}_contrast-{contrast}.log",
    benchmark:
        "<benchmarks>/plot_inference/sub-{subject}/{unit}_contrast-{contrast}.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=needs(800, per_gb=100),
        runtime=needs(10, per_gb=5),
    params:
        title=PLAN.title,
        signed=of_contrast("is_signed"),
        threshold=PLAN.figures["threshold"],
        code=code_digest("plot_inference"),
    script:
        "../scripts/plot_inference.py"
