# In: the simulation's parameters, or an archive on the net. Out: raw volumes with their conditions below <data>; what describes the results.


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
    threads: 2  # as many as runs
    resources:
        mem_mb=700,
        runtime=30,
    params:
        **PLAN.simulation,
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
        base_url=lambda wildcards: PLAN.base_url,
        code=code_digest("fetch_dataset"),
    script:
        "../scripts/fetch_dataset.py"


rule describe_dataset:
    """Describe the results as a BIDS derivative, with the model and the software that made them."""
    output:
        description=names.DESCRIPTION,
        bidsignore=names.BIDSIGNORE,
        model=names.MODEL,
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
        sessions=STUDY.has_sessions,
        runs_kept=PLAN.keeps_runs,
        content=lambda wildcards: MODEL.content(),
        code=code_digest("describe_dataset"),
    script:
        "../scripts/describe_dataset.py"
