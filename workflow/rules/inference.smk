# In: z maps, masks. Out: what of a contrast survives thresholding, as maps and tables.


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
