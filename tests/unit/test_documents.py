"""What the documents tell people to type: every command, config, snippet and recipe, parsed."""

import ast
import contextlib
import io
import re
import shlex
import subprocess

import pytest
import yaml
from checked_configs import SCHEMA, keys
from documents import COMMANDS, PAGES, blocks
from studies import ROOT, merged

from firstlevel.plan import config as configs

cli = pytest.importorskip("snakemake.cli")  # not in the environment of the other nilearn
RULES = {
    name
    for path in [ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")]
    for name in re.findall(r"^ *(?:use rule \w+ as|rule) (\w+)", path.read_text(), re.MULTILINE)
}
MAKE_TARGETS = set(re.findall(r"^([a-z][a-z0-9.-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
OF_USERS = ("mine.yaml", "fmriprep.yaml")
"""Configs that a reader writes; all others are here."""
README_LINES = 150


def written_configs(page):
    """Configs in the YAML blocks of a page, and in what its commands write to a file."""
    yield from blocks(page, "yaml")
    for block in blocks(page, "bash"):
        yield from re.findall(r"<<'END'\n(.*?)^END$", block, re.MULTILINE | re.DOTALL)


IN_LINE = [  # between backquotes in a sentence
    (page, shlex.split(text))
    for page in PAGES
    for text in re.findall(r"`((?:make|\.venv/bin/\w+|snakemake) [^`]+)`", (ROOT / page).read_text())
]


def check_make(words):
    """Targets that the Makefile has."""
    assert set(words) <= MAKE_TARGETS, words


def check_snakemake(words):
    """Options that Snakemake takes; configs and profiles that are here; targets that are rules or files."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        try:
            options = cli.get_argument_parser().parse_args(words)
        except SystemExit:
            raise AssertionError(f"{words}: {said.getvalue()}") from None
    for path in options.configfile or []:
        assert str(path) in OF_USERS or (ROOT / path).is_file(), words
    for path in options.profile or []:
        assert (ROOT / path / "config.yaml").is_file(), words
    if options.snakefile:
        assert str(options.snakefile).endswith("/fmri-firstlevel/Snakefile"), words
    asked = {*options.targets, *(options.until or ()), *(options.forcerun or ())}
    for target in asked:
        assert target in RULES or target.startswith("results/sub-"), words


def check_program(words):
    """A program of the repository that compiles, or one of its options."""
    ast.parse((ROOT / words[0]).read_text())


def check_pytest(words):
    """Test files that there are."""
    paths = [word for word in words if word.startswith("tests/")]
    assert paths, words
    assert all((ROOT / path).exists() for path in paths), words


def check_container(words):
    """Options before the image are the container's; those after it are Snakemake's."""
    if words[0] == "build":
        assert {"fmri-firstlevel", "."} <= set(words) or (ROOT / words[-1]).is_file(), words
    else:
        image = next(at for at, word in enumerate(words) if re.fullmatch(r"fmri-firstlevel(\.sif)?", word))
        check_snakemake(words[image + 1 :])


def check_snakedeploy(words):
    """As its help shows it: a repository, a folder, a tag, which is that of the changelog."""
    assert words[0] == "deploy-workflow"
    assert words[-2] == "--tag"
    assert f"\n## {words[-1].removeprefix('v')}\n" in (ROOT / "CHANGELOG.md").read_text()


CHECKS = {
    "snakedeploy": check_snakedeploy,
    "make": check_make,
    "snakemake": check_snakemake,
    ".venv/bin/snakemake": check_snakemake,
    ".venv/bin/python": check_program,
    ".venv/bin/pytest": check_pytest,
    "docker": check_container,
    "apptainer": check_container,
    "cat": lambda words: None,  # writes a config, which another test checks
}


@pytest.mark.parametrize(("page", "words"), [*COMMANDS, *IN_LINE], ids=lambda part: None if part else "")
def test_every_command_of_the_documents_is_one_that_runs(page, words):
    """A target of make, options that Snakemake takes, a rule, a file that there is."""
    if words[0] == "make" and not re.fullmatch(r"[a-z0-9.-]+", words[-1]):
        words = words[:1]  # an ellipsis
    CHECKS[words[0]](words[1:])


def test_commands_of_the_documents_are_found():
    """The check above sees the blocks: several programs, and no page of the start without one."""
    assert {words[0] for _, words in COMMANDS} == CHECKS.keys() - {"cat", ".venv/bin/python"}
    assert {"README.md", "config/README.md", "docs/how-to.md", "docs/deployment.md"} <= {
        page for page, _ in COMMANDS
    }


@pytest.mark.parametrize("page", PAGES)
def test_configs_of_the_documents_are_valid(page):
    """Every YAML block is a part of a config that the schema takes."""
    for text in written_configs(page):
        config = merged({"contrasts": {"faces": "faces"}}, yaml.safe_load(text))
        if config.get("study", {}).get("source", "bids") == "bids":  # what a part leaves out
            bids = {"path": "raw", "task": "faces", "derivatives": "fmriprep", "space": "T1w"}
            config = merged({"study": {"source": "bids", "bids": bids}}, config)
        if str(config.get("mask")).startswith("/"):
            config["mask"] = str(ROOT / "LICENSE")  # a file that there is
        configs.check_config(config, SCHEMA)


@pytest.mark.parametrize("page", PAGES)
def test_python_of_the_documents_compiles(page):
    """Python is parsed; a Snakefile is parsed by Snakemake's own parser, in the tests of deployment."""
    for text in blocks(page, "python"):
        if not re.search(r"^module ", text, re.MULTILINE):
            ast.parse(text)


def test_pictures_are_there_and_are_shown():
    """Each page's pictures exist, and no picture of the repository is without a page."""
    shown = set()
    for page in PAGES:
        text = (ROOT / page).read_text()
        for path in re.findall(r'<img src="([^"]+)"|!\[[^\]]*\]\(([^)]+)\)', text):
            picture = ((ROOT / page).parent / "".join(path)).resolve()
            assert picture.is_file(), path
            shown.add(picture)
    assert shown == {path.resolve() for path in (ROOT / "resources").glob("*.png")}


def leaves(part, names, prefix=""):
    """Names of the keys that a nested config sets."""
    for name, value in part.items():
        key = f"{prefix}{name}"
        if key in names:
            yield key
        else:
            assert isinstance(value, dict), key
            yield from leaves(value, names, f"{key}.")


def test_every_key_of_the_config_has_an_example_in_its_section():
    """In config/README.md, below the table of its section."""
    names = {key for key, _ in keys(SCHEMA)}
    text = (ROOT / "config/README.md").read_text()
    shown = set()
    for section in SCHEMA["properties"]:
        part = text.partition(f"### Keys of {section}\n")[2]
        part = re.split(r"^#{2,3} ", part, flags=re.MULTILINE)[0]
        for block in re.findall(r"^```yaml\n(.*?)^```$", part, re.MULTILINE | re.DOTALL):
            config = yaml.safe_load(block)
            shown |= set(leaves({section: config[section]}, names))
    assert shown == names


@pytest.mark.parametrize(
    "word",
    [
        "smoothing",
        "confounds",
        "modulators",
        "per-run maps",
        "exclu",
        "subject",
        "contrasts",
        "censor",
        "mask",
    ],
)
def test_words_of_a_new_user_are_found_on_the_page_of_recipes(word):
    """By searching the page, and from the README, which names the common ones."""
    assert word in (ROOT / "docs/how-to.md").read_text().lower()


def test_readme_is_short_and_leads_to_every_page():
    """A page that the README does not name is named by the start page, to which it leads."""
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < README_LINES
    for word in ("smoothing", "confounds", "modulators", "each run", "excluding a subject"):
        assert word in text
    assert "(docs/README.md)" in text
    for option in (" -n ", " --until ", " --forcerun "):
        assert option in text


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.startswith("docs/") and "README" not in page]
)
def test_pages_lead_on(page):
    """Each page has links to others: nobody has to go back to find the next one."""
    written_by_programs = {"docs/wrong-inputs.md", "docs/performance.md", "docs/validation.md"}
    assert page in written_by_programs or re.search(r"\]\([^)]*\.md", (ROOT / page).read_text())


def copied(path):
    """What a container recipe copies from the repository."""
    text = (ROOT / path).read_text()
    if path == "Dockerfile":
        words = [line.split()[1:-1] for line in text.splitlines() if line.startswith("COPY ")]
        return {word for line in words for word in line}
    files = re.search(r"^%files\n(.*?)^$", text, re.MULTILINE | re.DOTALL).group(1)
    return {line.split()[0] for line in files.splitlines()}


@pytest.mark.parametrize("path", ["Dockerfile", "apptainer.def"])
def test_container_recipes_install_the_lock_and_copy_the_workflow(path):
    """What they copy is there, and is all that a start reads; the Python is that of the conda environment."""
    text = (ROOT / path).read_text()
    assert all((ROOT / name).exists() for name in copied(path))
    assert {"Snakefile", "config", "envs", "pyproject.toml", "resources", "workflow"} <= copied(path)
    assert re.search(r"pip install .*--require-hashes --requirement \S+/envs/run\.lock\.txt", text)
    python = re.search(r"^(?:FROM|From:) python:(\S+)-slim$", text, re.MULTILINE).group(1)
    conda = yaml.safe_load((ROOT / "envs/firstlevel.yaml").read_text())["dependencies"]
    assert f"python={python}" in conda
    assert "--snakefile" in text
    assert "/opt/fmri-firstlevel/workflow/Snakefile" in text
    assert "install --yes --no-install-recommends git" in text  # without it, Snakemake does not start


def test_dockerfile_has_instructions_that_there_are():
    """The base first, one instruction per line, and the program as a list."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if line and line[0] != "#"]
    known = {"FROM", "RUN", "COPY", "ENV", "WORKDIR", "ENTRYPOINT", "CMD"}
    assert {line.split()[0] for line in lines} == known
    assert lines[0].startswith("FROM ")
    for line in lines:
        if line.split()[0] in {"ENTRYPOINT", "CMD"}:
            assert isinstance(ast.literal_eval(line.partition(" ")[2]), list)


@pytest.mark.parametrize("path", ["Dockerfile", "apptainer.def"])
def test_commands_in_container_recipes_are_shell(path):
    """Commands of the image parse, each as a script."""
    text = (ROOT / path).read_text()
    scripts = re.findall(r"^RUN (.*)$", text, re.MULTILINE) or re.findall(
        r"^%(?:post|runscript)\n((?:    .*\n?)+)", text, re.MULTILINE
    )
    assert len(scripts) == 2
    for script in scripts:
        subprocess.run(["sh", "-n"], input=script, text=True, check=True)


def test_citation_and_changelog_name_the_version():
    """The version of the project is that of the citation, and heads the changelog."""
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE).group(1)
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] in {version, "Unreleased"}
    assert version in headings
