# In: the user's events and confounds. Out: events and the design matrix of each run.


rule make_design_matrix:
    """Bring the events of a run into one form; turn them and the confounds into regressors."""
    input:
        source=of_run(INPUTS.events),
        headers=names.HEADERS,
        bold=of_run("first"),
        confounds=of_run(INPUTS.confounds),
        confounds_json=of_run(INPUTS.confounds_json),
        sidecars=of_run("sidecars"),
        given=of_run(INPUTS.given_design),
    output:
        events=names.EVENTS,
        events_json=names.EVENTS_JSON,
        design=names.DESIGN,
        sidecar=names.DESIGN_JSON,
    log:
        "<logs>/make_design_matrix/sub-{subject}/{run}.log",
    benchmark:
        "<benchmarks>/make_design_matrix/sub-{subject}/{run}.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=with_tables(500, events=40, confounds=10, design=10),
        runtime=5,
    params:
        **as_they_are({"of_responses": MODEL.run.design, "of_no_interest": MODEL.run.confounds}),
        of_events=of_run(INPUTS.event_options),
        slice_time_ref=MODEL.run.slice_time_ref,
        given_part=of_run("design_part"),
        code=code_digest("make_design_matrix"),
    script:
        "../scripts/make_design_matrix.py"
