from snakemake.utils import min_version

min_version("9.27")

if not workflow.configfiles:

    configfile: f"{workflow.current_basedir.get_path_or_uri(secret_free=True)}/config/config.yaml"


pathvars:
    data="data",


include: "workflow/rules/common.smk"
include: "workflow/rules/dataset.smk"
include: "workflow/rules/images.smk"
include: "workflow/rules/design.smk"
include: "workflow/rules/fit.smk"
include: "workflow/rules/contrasts.smk"
include: "workflow/rules/quality.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/end.smk"


rule all:
    """What the config asks for: of a study without a word on it, everything."""
    default_target: workflow.modifier.is_main_snakefile()  # imported as a module, it leaves this to the importer
    input:
        lambda wildcards: PLAN.targets.chosen(PLAN.outputs),


rule maps:
    """Effects, their variances, statistics and z values of every contrast, and lists of them."""
    input:
        lambda wildcards: PLAN.targets.maps,


rule figures:
    """Pictures of each run and of each contrast, and the viewers."""
    input:
        lambda wildcards: PLAN.targets.figures,


rule inference:
    """Thresholded maps and tables of clusters."""
    input:
        lambda wildcards: PLAN.targets.inference,


rule quality:
    """Measures of quality with a verdict on each."""
    input:
        lambda wildcards: PLAN.targets.quality,


rule trials:
    """A beta and a t map per trial, where the config asks for single trials."""
    input:
        lambda wildcards: without_traceback(PLAN.asked_trials),


rule report:
    """A page per subject and one of the study, with all figures."""
    input:
        lambda wildcards: PLAN.targets.report,


say(*PLAN.announcement())


onstart:
    begin()


onsuccess:
    end(ended_well=True)


onerror:
    end(ended_well=False)
