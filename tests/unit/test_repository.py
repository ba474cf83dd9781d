"""What must agree between files of the repository."""

import ast
import importlib
import json
import re
import sys
from importlib.util import find_spec

import pytest
import yaml
from checked_configs import CONTRASTS, SCHEMA, checked, keys
from studies import ROOT

from firstlevel import digest
from firstlevel.plan import study
from firstlevel.stage import InputError

PAGES = sorted(path.name for path in (ROOT / "docs").glob("*.md"))
RULES = "\n".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk")))


def table_row(key, part):
    default = (
        "required" if key in SCHEMA["required"] else json.dumps(part["default"]) if "default" in part else ""
    )
    return f"| `{key}` | {f'`{default}`' if default else ''} | {part['description']} |"


def test_every_key_of_the_schema_is_documented_with_its_default():
    """config/README.md has one row for each key, as the schema describes it, and no other."""
    expected = [table_row(key, part) for key, part in keys(SCHEMA)]
    text = (ROOT / "config/README.md").read_text()
    assert [line for line in text.splitlines() if line.startswith("| `") and line.count("|") == 4] == expected


def test_example_of_the_documentation_is_a_config_of_the_ten_keys():
    """What stands first in config/README.md: keys that there are, and a whole config that sets them alone."""
    text = (ROOT / "config/README.md").read_text().partition("## All keys")[0]
    ten = re.findall(r"^\| `(\S+)` \|", text, re.MULTILINE)
    assert len(ten) == 10
    assert set(ten) <= {key for key, _ in keys(SCHEMA)}
    example = re.search(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL).group(1)
    checked(example)
    written = yaml.safe_load(example)
    of_sections = {key for key, _ in keys(SCHEMA)}

    def leaves(part, prefix=""):
        for name, value in part.items():
            nested = isinstance(value, dict) and f"{prefix}{name}" not in of_sections
            yield from leaves(value, f"{prefix}{name}.") if nested else [f"{prefix}{name}"]

    assert set(leaves(written)) == set(ten)


@pytest.mark.parametrize("page", ["README.md", "config/README.md", *(f"docs/{p}" for p in PAGES)])
def test_links_between_pages_lead_somewhere(page):
    """To a file that there is, and to a heading of it."""
    links = re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]*))?\)", (ROOT / page).read_text())
    for path, heading in links:
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), path
        if heading:
            titles = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def test_start_page_of_the_documentation_names_every_page():
    """A page that no link leads to is not read."""
    text = (ROOT / "docs/README.md").read_text()
    assert {page for page in PAGES if f"({page})" not in text} == {"README.md"}


def test_schema_is_closed_and_described_at_every_level():
    """A typo cannot pass anywhere, and no key is without a description."""

    def check(part, name):
        assert "description" in part, name
        if part.get("type") == "object":
            assert part["additionalProperties"] is False or "propertyNames" in part, name
        for key, inner in part.get("properties", {}).items():
            check(inner, f"{name}.{key}")

    check(SCHEMA, "config")


def test_default_config_uses_defaults_of_the_schema():
    """The default study shows defaults; only what the simulation needs differs."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    shown = dict(keys(SCHEMA))
    for section in ("resample", "design", "glm", "figures"):
        for key, value in config[section].items():
            assert shown[f"{section}.{key}"]["default"] == value


def test_columns_of_the_run_table_are_documented(tmp_path):
    """Each column that a run table may have, as the message of an unknown one lists them, is explained."""
    (tmp_path / "runs.tsv").write_text("subject\ttask\tbold\tevents\todd\n01\ta\tb.nii\te.tsv\tx\n")
    with pytest.raises(InputError, match="unknown column 'odd'") as stop:
        study.run_table(checked(f"{CONTRASTS}study: {{source: table, table: {tmp_path}/runs.tsv}}"), "data")
    columns = re.search(r"columns of: (.*)", str(stop.value)).group(1).split(", ")
    assert {"subject", "bold", "design"} <= set(columns)
    text = (ROOT / "config/README.md").read_text()
    documented = re.findall(r"^\| `(\w+)` \|[^|]+\|[^|]+\|[^|]+\|$", text, re.MULTILINE)
    assert sorted(documented) == sorted(columns)


@pytest.mark.parametrize("script", sorted(path.stem for path in (ROOT / "workflow/scripts").glob("*.py")))
def test_rule_script_function_log_and_benchmark_have_one_name(script):
    """The name of a stage finds its rule, script, function, log, benchmark and digest."""
    assert f"def {script}(" in (ROOT / f"workflow/scripts/{script}.py").read_text()
    rule = re.search(
        rf"^ *rule {script}:.*?(?=^ *(?:use )?rule |\Z)", RULES, re.MULTILINE | re.DOTALL
    ).group()
    for part in (
        f"scripts/{script}.py",
        f"<logs>/{script}",
        f"<benchmarks>/{script}",
        f'code_digest("{script}")',
    ):
        assert part in rule


def test_conda_environment_has_the_versions_of_the_lock():
    """Stages compute with the same versions, however they were installed."""
    lock = (ROOT / "envs/run.lock.txt").read_text()
    for entry in yaml.safe_load((ROOT / "envs/firstlevel.yaml").read_text())["dependencies"]:
        name, version = entry.split("=")
        if name != "python":
            # scipy has a second version for newer Pythons further down in the lock
            packaged = name.removesuffix("-base").removeprefix("python-")  # as conda calls it
            assert version in re.findall(rf"^{packaged}==([^ ]+)", lock, re.MULTILINE), entry


MODULES = {"matplotlib-base": "matplotlib", "pillow": "PIL", "python-isal": "isal", "pyyaml": "yaml"}
"""Packages that are imported by another name."""


def modules_of_stages():
    """Files that run in a stage's environment: each script, and what it imports of firstlevel."""
    folder = ROOT / "workflow/scripts"
    found, pending = set(), {path.stem for path in folder.glob("*.py")}
    while pending:
        found |= pending
        pending = {name for module in pending for name in digest._source(folder, module).imports} - found
    return [folder / f"{name}.py" for name in found]


def test_conda_environment_has_what_the_stages_import():
    """Every package that a stage imports, in or outside of a function, and no other."""
    imported = set()
    for path in modules_of_stages():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.partition(".")[0])
    installed = {
        MODULES.get(name := entry.partition("=")[0], name)
        for entry in yaml.safe_load((ROOT / "envs/firstlevel.yaml").read_text())["dependencies"]
    }
    assert installed - {"python"} == imported - set(sys.stdlib_module_names) - {"firstlevel"}


def test_every_rule_with_a_script_has_an_environment_that_exists():
    """`--sdm conda` finds the environment of each stage from the rules' folder."""
    rules = re.findall(r"^ *rule .*?(?=^ *(?:use )?rule |\Z)", RULES, re.MULTILINE | re.DOTALL)
    environments = [re.findall(r'conda:\s+"(.+?)"', rule) for rule in rules if "script:" in rule]
    assert environments == [["../../envs/firstlevel.yaml"]] * len(
        list((ROOT / "workflow/scripts").glob("*.py"))
    )
    assert (ROOT / "workflow/rules" / environments[0][0]).is_file()


def test_catalog_entry_has_what_the_catalog_reads():
    """The workflow catalog finds the usage, and conda only where there is an environment."""
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage.keys() == {"mandatory-flags", "software-stack-deployment", "report"}
    assert isinstance(usage["mandatory-flags"]["desc"], str)
    assert isinstance(usage["mandatory-flags"]["flags"], list)
    deployment = usage["software-stack-deployment"]
    assert deployment["conda"] == ("conda:" in RULES)
    assert deployment["apptainer"] == deployment["apptainer+conda"] == ("container:" in RULES)
    assert (ROOT / "config/README.md").is_file()


def test_locks_have_hashes_and_name_no_index():
    """Installing from the lock is checked, and leaves the choice of an index to the user."""
    for lock in (ROOT / "envs").glob("*.lock.txt"):
        text = lock.read_text()
        assert "://" not in text
        assert "--index" not in text
        assert len(re.findall(r"^[a-z0-9-]+.*==", text, re.MULTILINE)) <= text.count("--hash=sha256:")


def versions(lock):
    """Versions by package, for every Python and system."""
    found = re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / f"envs/{lock}.lock.txt").read_text(), re.MULTILINE)
    return {name: {version for other, version in found if other == name} for name, _ in found}


def test_second_environment_differs_in_nilearn_alone():
    """What its tests show comes from nilearn, and from packaging, for which it asks."""
    other, own = versions("oracle"), versions("test")
    assert {name for name in other if other[name] != own.get(name)} == {"nilearn", "packaging"}
    assert other["nilearn"] == {"0.14.1"}
    assert "snakemake" not in other


def test_licences_are_those_of_the_lock(monkeypatch):
    """Each package has its licence in the table, as installed, and a note where it is not permissive."""
    monkeypatch.syspath_prepend(ROOT / "envs")
    licences = importlib.import_module("licences")
    text = licences.TABLE.read_text()
    rows = [line.split("\t") for line in text.splitlines()]
    assert rows[0] == list(licences.COLUMNS)
    assert {name: set(said.split()) for name, said, *_ in rows[1:]} == versions("run")
    strict = {name for name, _, licence, _ in rows[1:] if licences.NOT_PERMISSIVE.search(licence)}
    assert strict == {"certifi", "docutils", "tqdm"}
    assert strict <= {name for name, *_, note in rows[1:] if note != "n/a"} == licences.NOTES.keys()
    if find_spec("snakemake"):  # not beside the other nilearn
        assert text == licences.table()


@pytest.mark.parametrize("profile", ["slurm", "cluster-generic"])
def test_profiles_of_clusters_group_every_stage_of_a_subject(profile):
    """A subject is one submission: no rule with a subject in its names is left out of the group."""
    groups = yaml.safe_load((ROOT / f"workflow/profiles/{profile}/config.yaml").read_text())["groups"]
    rules = re.findall(r"^ *(?:use rule \w+ as|rule) (\w+)", RULES, re.MULTILINE)
    alone = {"simulate_dataset", "fetch_dataset", "describe_dataset", "list_maps", "report_study"}
    assert set(groups) == {f"{rule}=subject" for rule in set(rules) - alone}


def test_tests_say_how_long_they_take():
    """In the list of targets, and before they begin."""
    text = (ROOT / "Makefile").read_text()
    listed, told = re.search(r"^test:.*##(.*)\n\t@echo '(.*)'$", text, re.MULTILINE).groups()
    minutes = re.search(r"about (\d+) minutes", listed).group(1)
    assert told.startswith(f"About {minutes} minutes on two cores")


def test_no_test_imports_the_module_of_another():
    """What tests share is in tests/support, where a test that moves or goes leaves it."""
    paths = list((ROOT / "tests").rglob("test_*.py"))
    names = {path.stem for path in paths} | {"conftest"}
    imported = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {(path.name, part) for alias in node.names for part in alias.name.split(".")}
            elif isinstance(node, ast.ImportFrom):
                imported |= {(path.name, part) for part in (node.module or "").split(".")}
    assert {(name, module) for name, module in imported if module in names} == set()
    assert not list((ROOT / "tests/support").glob("test_*"))


def test_unit_tests_stand_where_the_package_has_what_they_test():
    """tests/unit has a folder for each of the package's, and one for the stages."""
    package = ROOT / "workflow/scripts/firstlevel"
    folders = {path.parent.name for path in package.glob("*/__init__.py")}
    assert {path.name for path in (ROOT / "tests/unit").iterdir() if path.is_dir()} - {"__pycache__"} == (
        folders | {"stages"}
    )
