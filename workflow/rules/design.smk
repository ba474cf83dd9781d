# In: the user's events and confounds. Out: events and the design matrix of each run.


rule extract_events:
    """Bring the events of a run into one form, in seconds."""
    input:
        source=of_run(INPUTS.events),
        headers=of_run(INPUTS.headers_of_onsets),
    output:
        events=names.EVENTS,
        sidecar=names.EVENTS_JSON,
    log:
        "<logs>/extract_events/sub-{subject}/{run}.log",
    benchmark:
        "<benchmarks>/extract_events/sub-{subject}/{run}.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=with_tables(300, events=40),
        runtime=5,
    params:
        **as_they_are(MODEL.run.events),
        rules=of_run(INPUTS.event_rules),
        onset_unit=of_run("onset_unit"),
        code=code_digest("extract_events"),
    script:
        "../scripts/extract_events.py"


rule make_design_matrix:
    """Turn the events and confounds of a run into regressors."""
    input:
        events=names.EVENTS,
        events_json=names.EVENTS_JSON,
        headers=names.HEADERS,
        bold=of_run("first"),
        confounds=of_run(INPUTS.confounds),
        confounds_json=of_run(INPUTS.confounds_json),
        sidecars=of_run("sidecars"),
        given=of_run(INPUTS.given_design),
    output:
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
        **MODEL.run.design,
        **as_they_are(MODEL.run.confounds),
        given_part=of_run("design_part"),
        code=code_digest("make_design_matrix"),
    script:
        "../scripts/make_design_matrix.py"
