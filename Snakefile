from snakemake.utils import min_version

min_version("9.27")

if not workflow.configfiles:

    configfile: f"{workflow.current_basedir.get_path_or_uri(secret_free=True)}/config/config.yaml"


pathvars:
    data="data",


localrules:
    describe_dataset,
    list_maps,
    report_study,


include: "workflow/rules/common.smk"
include: "workflow/rules/dataset.smk"
include: "workflow/rules/images.smk"
include: "workflow/rules/model.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/inference.smk"
include: "workflow/rules/quality.smk"
include: "workflow/rules/report.smk"


rule all:
    """Every z map, every figure and report, and the lists of maps and of what went into them."""
    default_target: workflow.modifier.is_main_snakefile()  # imported as a module, it leaves this to the importer
    input:
        "<results>/dataset_description.json",
        [f"<results>/{name}" for labels in subjects() for name in z_maps(labels)],
        run_maps,
        [f"<results>/{SUBJECT}_contrasts.tsv".format(**labels) for labels in subjects()],
        figures(),
        reports(),
        "<results>/maps.tsv",
