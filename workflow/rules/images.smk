# In: raw volumes of each run. Out: what headers tell, runs on one grid, mean images, the mask of each subject.


rule read_headers:
    """Read the headers of a run: volumes, their times, their places."""
    input:
        bold=bold,
        reference=reference,
        sidecars=of_run("sidecars"),
    output:
        headers=f"<results>/{RUN}_headers.json",
    log:
        f"<logs>/read_headers/{RUN_LABEL}.log",
    benchmark:
        f"<benchmarks>/read_headers/{RUN_LABEL}.tsv"
    priority: 1
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=300,
        runtime=5,
    params:
        repetition_time=of_run("repetition_time"),
        repetition_time_decides=config["study"]["repetition_time_decides"],
        code=code_digest("read_headers"),
    script:
        "../scripts/read_headers.py"


rule resample_run:
    """Bring a run to the grid of the subject's first volume; note what moved."""
    input:
        bold=bold,
        reference=reference,
        headers=f"<results>/{RUN}_headers.json",
    output:
        resampled=kept(f"<results>/{RUN}_desc-resampled_bold.nii"),
        sidecar=f"<results>/{RUN}_desc-resampled_bold.json",
        field_of_view=f"<results>/{RUN}_desc-fov_mask.nii.gz",
    log:
        f"<logs>/resample_run/{RUN_LABEL}.log",
    benchmark:
        f"<benchmarks>/resample_run/{RUN_LABEL}.tsv"
    priority: 1  # the longest way to a map begins here; designs fill the gaps
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=needs(400, per_gb=100),
        disk_mb=written_mb,
        runtime=needs(30, per_gb=20),
    params:
        strategy=config["resample"]["strategy"],
        smoothing_fwhm=config["resample"]["smoothing_fwhm"],
        code=code_digest("resample_run"),
    script:
        "../scripts/resample_run.py"


rule compute_mean_image:
    """Average a run over time."""
    input:
        bold=f"<results>/{RUN}_desc-resampled_bold.nii",
    output:
        mean=f"<results>/{RUN}_desc-mean_boldref.nii.gz",
    log:
        f"<logs>/compute_mean_image/{RUN_LABEL}.log",
    benchmark:
        f"<benchmarks>/compute_mean_image/{RUN_LABEL}.tsv"
    priority: 1
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=needs(300, per_gb=100),
        runtime=needs(10, per_gb=10),
    params:
        code=code_digest("compute_mean_image"),
    script:
        "../scripts/compute_mean_image.py"


use rule compute_mean_image as compute_mean_image_over_runs with:
    input:
        bold=over_runs(f"<results>/{RUN}_desc-mean_boldref.nii.gz"),
    output:
        mean=f"<results>/{SUBJECT}_desc-mean_boldref.nii.gz",
    log:
        f"<logs>/compute_mean_image/{SUBJECT_LABEL}.log",
    benchmark:
        f"<benchmarks>/compute_mean_image/{SUBJECT_LABEL}.tsv"
    wildcard_constraints:
        subject=with_labelled_runs(),
    priority: 0


ruleorder: compute_mean_image_over_runs > compute_mean_image


rule compute_mask:
    """Find the brain in the mean images, or take the user's mask."""
    input:
        means=over_runs(f"<results>/{RUN}_desc-mean_boldref.nii.gz"),
        own_mask=own_mask,
        fields_of_view=fields_of_view,
    output:
        mask=f"<results>/{SUBJECT}_desc-brain_mask.nii.gz",
        sidecar=f"<results>/{SUBJECT}_desc-brain_mask.json",
    log:
        f"<logs>/compute_mask/{SUBJECT_LABEL}.log",
    benchmark:
        f"<benchmarks>/compute_mask/{SUBJECT_LABEL}.tsv"
    priority: 1
    conda:
        "../../envs/firstlevel.yaml"
    threads: 1
    resources:
        mem_mb=needs(500, per_gb=100),
        runtime=needs(10, per_gb=5),
    params:
        coverage=config["fixed_effects"]["coverage"],
        code=code_digest("compute_mask"),
    script:
        "../scripts/compute_mask.py"
