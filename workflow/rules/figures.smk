# In: z maps, mean images or T1w, designs, events, motion. Out: pictures.


rule plot_zmap:
    """Draw a z map over the mean image or the T1w."""
    input:
        z=f"<results>/{SUBJECT}_contrast-{{contrast}}_stat-z_statmap.nii.gz",
        background=background,
    output:
        figure=shown(f"<results>/{FIGURE}/{SUBJECT_LABEL}_contrast-{{contrast}}_zmap.png", "z map"),
    log:
        f"<logs>/plot_zmap/{SUBJECT_LABEL}_contrast-{{contrast}}.log",
    benchmark:
        f"<benchmarks>/plot_zmap/{SUBJECT_LABEL}_contrast-{{contrast}}.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=needs(600, per_gb=50),
        runtime=needs(5, per_gb=1),
    params:
        title=contrast_title,
        signed=is_signed,
        threshold=config["figures"]["threshold"],
        display_mode=config["figures"]["display_mode"],
        cut_coords=config["figures"]["cut_coords"],
        code=code_digest("plot_zmap"),
    script:
        "../scripts/plot_zmap.py"


rule plot_design:
    """Draw the design matrix of a run."""
    input:
        design=f"<results>/{RUN}_design.tsv",
    output:
        figure=shown(f"<results>/{FIGURE}/{RUN_LABEL}_design.png", "design"),
    log:
        f"<logs>/plot_design/{RUN_LABEL}.log",
    benchmark:
        f"<benchmarks>/plot_design/{RUN_LABEL}.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        title=title,
        code=code_digest("plot_design"),
    script:
        "../scripts/plot_design.py"


rule plot_events:
    """Draw when each condition happened."""
    input:
        events=f"<results>/{RUN}_events.tsv",
    output:
        figure=shown(f"<results>/{FIGURE}/{RUN_LABEL}_events.png", "events"),
    log:
        f"<logs>/plot_events/{RUN_LABEL}.log",
    benchmark:
        f"<benchmarks>/plot_events/{RUN_LABEL}.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        title=title,
        code=code_digest("plot_events"),
    script:
        "../scripts/plot_events.py"


rule plot_motion:
    """Draw what moved in a run."""
    input:
        sidecar=f"<results>/{RUN}_desc-resampled_bold.json",
        confounds=motion_table,
    output:
        figure=shown(f"<results>/{FIGURE}/{RUN_LABEL}_motion.png", "motion"),
    log:
        f"<logs>/plot_motion/{RUN_LABEL}.log",
    benchmark:
        f"<benchmarks>/plot_motion/{RUN_LABEL}.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=300,
        runtime=5,
    params:
        title=title,
        code=code_digest("plot_motion"),
    script:
        "../scripts/plot_motion.py"
