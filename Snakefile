from snakemake.utils import min_version

min_version("9.27")

if not workflow.configfiles:

    configfile: f"{workflow.basedir}/config/config.yaml"


pathvars:
    data="data",


include: "workflow/rules/common.smk"
include: "workflow/rules/dataset.smk"
include: "workflow/rules/images.smk"
include: "workflow/rules/model.smk"
include: "workflow/rules/figures.smk"


rule all:
    """Every z map and every figure, and the list of maps."""
    default_target: True
    input:
        [f"<results>/{name}" for labels in subjects() for name in z_maps(labels)],
        figures(),
        "<results>/maps.tsv",
