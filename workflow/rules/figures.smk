# In: z maps, mean images or T1w, designs, events, motion. Out: pictures.


rule plot_zmap:
    """Draw a z map over the mean image or the T1w."""
    input:
        z=names.map_of("z"),
        background=of_unit(INPUTS.background),
    output:
        figure=shown(names.contrast_figure("zmap"), "z map"),
    log:
        "<logs>/plot_zmap/sub-{subject}/{unit}_contrast-{contrast}.log",
    benchmark:
        "<benchmarks>/plot_zmap/sub-{subject}/{unit}_contrast-{contrast}.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=needs(600, per_gb=50),
        runtime=needs(5, per_gb=1),
    params:
        **PLAN.figures,
        title=PLAN.title,
        signed=of_contrast("is_signed"),
        code=code_digest("plot_zmap"),
    script:
        "../scripts/plot_zmap.py"


rule plot_design:
    """Draw the design matrix of a run."""
    input:
        design=names.DESIGN,
    output:
        figure=shown(names.run_figure("design"), "design"),
    log:
        "<logs>/plot_design/sub-{subject}/{run}.log",
    benchmark:
        "<benchmarks>/plot_design/sub-{subject}/{run}.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        title=PLAN.title,
        code=code_digest("plot_design"),
    script:
        "../scripts/plot_design.py"


rule plot_events:
    """Draw when each condition happened."""
    input:
        events=names.EVENTS,
    output:
        figure=shown(names.run_figure("events"), "events"),
    log:
        "<logs>/plot_events/sub-{subject}/{run}.log",
    benchmark:
        "<benchmarks>/plot_events/sub-{subject}/{run}.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        title=PLAN.title,
        code=code_digest("plot_events"),
    script:
        "../scripts/plot_events.py"


rule plot_motion:
    """Draw what moved in a run."""
    input:
        sidecar=names.RESAMPLED_JSON,
        confounds=of_run(INPUTS.motion_table),
    output:
        figure=shown(names.run_figure("motion"), "motion"),
    log:
        "<logs>/plot_motion/sub-{subject}/{run}.log",
    benchmark:
        "<benchmarks>/plot_motion/sub-{subject}/{run}.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=300,
        runtime=5,
    params:
        title=PLAN.title,
        code=code_digest("plot_motion"),
    script:
        "../scripts/plot_motion.py"
