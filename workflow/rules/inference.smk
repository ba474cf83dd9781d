# In: z maps, masks, mean images. Out: what of a contrast holds up, as maps, tables and pictures.


rule compute_inference:
    """Threshold a z map, bound the true discoveries of its clusters, list its peaks."""
    input:
        z=f"<results>/{SUBJECT}_contrast-{{contrast}}_stat-z_statmap.nii.gz",
        mask=f"<results>/{SUBJECT}_desc-brain_mask.nii.gz",
    output:
        uncorrected=f"<results>/{SUBJECT}_contrast-{{contrast}}_stat-z_desc-uncorrected_statmap.nii.gz",
        fdr=f"<results>/{SUBJECT}_contrast-{{contrast}}_stat-z_desc-fdr_statmap.nii.gz",
        bonferroni=f"<results>/{SUBJECT}_contrast-{{contrast}}_stat-z_desc-bonferroni_statmap.nii.gz",
        tdp=f"<results>/{SUBJECT}_contrast-{{contrast}}_stat-tdp_statmap.nii.gz",
        thresholds=f"<results>/{SUBJECT}_contrast-{{contrast}}_inference.tsv",
        clusters=f"<results>/{SUBJECT}_contrast-{{contrast}}_clusters.tsv",
    log:
        f"<logs>/compute_inference/{SUBJECT_LABEL}_contrast-{{contrast}}.log",
    benchmark:
        f"<benchmarks>/compute_inference/{SUBJECT_LABEL}_contrast-{{contrast}}.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=needs(600, per_gb=100),
        runtime=needs(10, per_gb=5),
    params:
        signed=is_signed,
        p=config["inference"]["p"],
        alpha=config["inference"]["alpha"],
        two_sided=config["inference"]["two_sided"],
        cluster_extent=config["inference"]["cluster_extent"],
        connectivity=config["inference"]["connectivity"],
        true_discovery_threshold=config["inference"]["true_discovery_threshold"],
        peak_distance=config["inference"]["peak_distance"],
        code=code_digest("compute_inference"),
    script:
        "../scripts/compute_inference.py"


rule plot_inference:
    """Draw what passes which threshold, the distribution of z, and a map to look around in."""
    input:
        z=f"<results>/{SUBJECT}_contrast-{{contrast}}_stat-z_statmap.nii.gz",
        mask=f"<results>/{SUBJECT}_desc-brain_mask.nii.gz",
        background=background,
        uncorrected=f"<results>/{SUBJECT}_contrast-{{contrast}}_stat-z_desc-uncorrected_statmap.nii.gz",
        fdr=f"<results>/{SUBJECT}_contrast-{{contrast}}_stat-z_desc-fdr_statmap.nii.gz",
        bonferroni=f"<results>/{SUBJECT}_contrast-{{contrast}}_stat-z_desc-bonferroni_statmap.nii.gz",
        tdp=f"<results>/{SUBJECT}_contrast-{{contrast}}_stat-tdp_statmap.nii.gz",
        table=f"<results>/{SUBJECT}_contrast-{{contrast}}_inference.tsv",
    output:
        thresholds=shown(
            f"<results>/{FIGURE}/{SUBJECT_LABEL}_contrast-{{contrast}}_thresholds.png", "thresholds"
        ),
        histogram=shown(
            f"<results>/{FIGURE}/{SUBJECT_LABEL}_contrast-{{contrast}}_zhistogram.png", "z histogram"
        ),
        viewer=shown(f"<results>/{FIGURE}/{SUBJECT_LABEL}_contrast-{{contrast}}_viewer.html", "viewer"),
    log:
        f"<logs>/plot_inference/{SUBJECT_LABEL}_contrast-{{contrast}}.log",
    benchmark:
        f"<benchmarks>/plot_inference/{SUBJECT_LABEL}_contrast-{{contrast}}.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=needs(800, per_gb=100),
        runtime=needs(10, per_gb=5),
    params:
        title=contrast_title,
        signed=is_signed,
        threshold=config["figures"]["threshold"],
        code=code_digest("plot_inference"),
    script:
        "../scripts/plot_inference.py"
