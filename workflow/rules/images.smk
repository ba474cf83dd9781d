# In: volumes of each run. Out: what headers tell, runs on one grid unless they lie on it, means, masks.


rule read_headers:
    """Read the headers of a run: volumes, their times and affines."""
    input:
        bold=of_run("bold"),
        reference=of_run(INPUTS.reference),
        sidecars=of_run("sidecars"),
    output:
        **({} if MODEL.resamples else {"field_of_view": names.FIELD_OF_VIEW}),
        headers=names.HEADERS,
    log:
        "<logs>/read_headers/sub-{subject}/{run}.log",
    benchmark:
        "<benchmarks>/read_headers/sub-{subject}/{run}.tsv"
    priority: PLAN.turn
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=300,
        runtime=5,
    params:
        **MODEL.headers,
        repetition_time=of_run("repetition_time"),
        code=code_digest("read_headers"),
    script:
        "../scripts/read_headers.py"


if MODEL.resamples:

    rule resample_run:
        """Resample a run to the grid of its unit's first volume; record its motion."""
        input:
            bold=of_run("bold"),
            reference=of_run(INPUTS.reference),
            headers=names.HEADERS,
        output:
            resampled=names.RESAMPLED if PLAN.keeps_runs else temp(names.RESAMPLED),
            mean=names.MEAN_OF_RUN,
            sidecar=names.RESAMPLED_JSON,
            field_of_view=names.FIELD_OF_VIEW,
        log:
            "<logs>/resample_run/sub-{subject}/{run}.log",
        benchmark:
            "<benchmarks>/resample_run/sub-{subject}/{run}.tsv"
        priority: PLAN.turn
        conda:
            "../../envs/firstlevel.yaml"
        threads: 1
        resources:
            mem_mb=needs(400, per_gb=100),
            disk_mb=of_run(PLAN.sizes.written),
            runtime=needs(30, per_gb=20),
        params:
            **MODEL.resampling,
            code=code_digest("resample_run"),
        script:
            "../scripts/resample_run.py"

elif not MODEL.reads_once:

    rule read_run:
        """Read a run in place: check its volumes, average them."""
        input:
            bold=of_run("bold"),
            reference=of_run(INPUTS.reference),
            headers=names.HEADERS,
            field_of_view=names.FIELD_OF_VIEW,
        output:
            mean=names.MEAN_OF_RUN,
            sidecar=names.RESAMPLED_JSON,
        log:
            "<logs>/read_run/sub-{subject}/{run}.log",
        benchmark:
            "<benchmarks>/read_run/sub-{subject}/{run}.tsv"
        priority: PLAN.turn
        conda:
            "../../envs/firstlevel.yaml"
        threads: 1
        resources:
            mem_mb=needs(300, per_gb=100),
            runtime=needs(10, per_gb=10),
        params:
            code=code_digest("read_run"),
        script:
            "../scripts/read_run.py"


rule compute_mask:
    """Compute a brain mask from the mean images of the runs, or take the user's masks."""
    input:
        means=over(names.MEAN_OF_RUN) if MODEL.mask == "epi" else [],
        own_mask=of_unit(INPUTS.own_mask),
        fields_of_view=over(names.FIELD_OF_VIEW),
    output:
        mask=names.MASK,
        sidecar=names.MASK_JSON,
    log:
        "<logs>/compute_mask/sub-{subject}/{unit}.log",
    benchmark:
        "<benchmarks>/compute_mask/sub-{subject}/{unit}.tsv"
    priority: PLAN.turn
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=needs(500, per_gb=100),
        runtime=20,
    params:
        is_masked=MODEL.is_masked,
        coverage=MODEL.subject.coverage,
        code=code_digest("compute_mask"),
    script:
        "../scripts/compute_mask.py"
