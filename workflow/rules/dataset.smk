# In: the simulation's parameters, or an archive on the net; the user's events.
# Out: raw volumes with their conditions below <data>; events tables, the dataset's description below <results>.
import tomllib

from firstlevel.io import derivative

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


rule simulate_dataset:
    """Make a two-run faces study in the layout of SPM multimodal faces, with its truth."""
    output:
        session1=directory("<data>/simulated/sub001/fMRI/Session1"),
        session2=directory("<data>/simulated/sub001/fMRI/Session2"),
        trials1="<data>/simulated/sub001/fMRI/trials_ses1.mat",
        trials2="<data>/simulated/sub001/fMRI/trials_ses2.mat",
        structural="<data>/simulated/sub001/sMRI/smri.img",
        truth_faces="<data>/simulated/truth_faces.nii.gz",
        truth_scrambled="<data>/simulated/truth_scrambled.nii.gz",
        truth="<data>/simulated/truth.json",
    log:
        "<logs>/simulate_dataset.log",
    benchmark:
        "<benchmarks>/simulate_dataset.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=600,
        runtime=30,
    params:
        **config["study"]["simulated"],
        repetition_time=config["study"]["repetition_time"],
        code=code_digest("simulate_dataset"),
    script:
        "../scripts/simulate_dataset.py"


rule fetch_dataset:
    """Download and unpack the SPM multimodal faces."""
    input:
        registry=workflow.source_path("../../resources/spm_multimodal.json"),
    output:
        session1=directory("<data>/spm_multimodal/sub001/fMRI/Session1"),
        session2=directory("<data>/spm_multimodal/sub001/fMRI/Session2"),
        trials1="<data>/spm_multimodal/sub001/fMRI/trials_ses1.mat",
        trials2="<data>/spm_multimodal/sub001/fMRI/trials_ses2.mat",
        structural="<data>/spm_multimodal/sub001/sMRI/smri.img",
    log:
        "<logs>/fetch_dataset.log",
    benchmark:
        "<benchmarks>/fetch_dataset.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=400,
        runtime=120,
    params:
        base_url=as_it_is(config["study"]["base_url"]),
        code=code_digest("fetch_dataset"),
    script:
        "../scripts/fetch_dataset.py"


rule extract_events:
    """Bring the events of a run into one form, in seconds."""
    input:
        source=events_of_run,
        headers=headers_of_onsets,
    output:
        events=f"<results>/{RUN}_events.tsv",
        sidecar=f"<results>/{RUN}_events.json",
    log:
        f"<logs>/extract_events/{RUN_LABEL}.log",
    benchmark:
        f"<benchmarks>/extract_events/{RUN_LABEL}.tsv"
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=with_tables(300, events=40),
        runtime=5,
    params:
        event_duration=config["study"]["event_duration"],
        onset_unit=of_run("onset_unit"),
        conditions=config["study"]["conditions"],
        rules=event_rules,
        modulators=config["design"]["modulators"],
        code=code_digest("extract_events"),
    script:
        "../scripts/extract_events.py"


rule describe_dataset:
    """Say what the results are and what made them, as BIDS wants it of a derivative."""
    output:
        description="<results>/dataset_description.json",
        bidsignore="<results>/.bidsignore",
    log:
        "<logs>/describe_dataset.log",
    benchmark:
        "<benchmarks>/describe_dataset.tsv"
    localrule: True
    conda:
        "../../envs/firstlevel.yaml"
    resources:
        mem_mb=300,
        runtime=5,
    params:
        version=PROJECT["version"],
        code_url=PROJECT.get("urls", {}).get("Repository"),
        sessions=HAS_SESSIONS,
        runs_kept=config["resample"]["keep"],
        code=code_digest("describe_dataset"),
    script:
        "../scripts/describe_dataset.py"
