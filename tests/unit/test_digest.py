"""The digest of a stage's code: what it follows, and what it must not miss."""

import ast
import sys

import pytest

from firstlevel import digest


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """Two stages: `fit` imports `glm`, which imports `tables`; `plot` imports neither."""
    package = tmp_path / "firstlevel"
    package.mkdir()
    (package / "glm.py").write_text("from firstlevel import tables\n")
    (package / "tables.py").write_text("x = 1\n")
    (package / "figures.py").write_text("x = 1\n")
    (tmp_path / "fit.py").write_text("def f():\n    from firstlevel.glm import fit\n")
    (tmp_path / "plot.py").write_text("import firstlevel.figures\n")
    monkeypatch.setattr(digest, "SCRIPTS", tmp_path)
    return tmp_path


def test_code_digest_follows_imports(scripts):
    """An edit changes the digest of the stages that import the module, directly or not, and of no other."""

    def digests():
        digest._source.cache_clear()  # a new process
        return {name: digest.code_digest(name) for name in ("fit", "plot")}

    first = digests()
    (scripts / "firstlevel" / "tables.py").write_text("x = 2\n")
    second = digests()
    assert second["fit"] != first["fit"]
    assert second["plot"] == first["plot"]
    (scripts / "firstlevel" / "figures.py").write_text("x = 2\n")
    assert digests()["plot"] != second["plot"]


def test_code_digest_ignores_time_stamps(scripts):
    """A touched file is the same code."""
    before = digest.code_digest("fit")
    (scripts / "fit.py").touch()
    digest._source.cache_clear()
    assert digest.code_digest("fit") == before


def test_code_digest_begins_where_the_stages_are():
    """One level off, and every digest would be that of its script alone."""
    assert (digest.SCRIPTS / "fit_glm.py").is_file()
    assert "firstlevel/glm/fit" in digest._source(digest.SCRIPTS, "fit_glm").imports
    assert "firstlevel/stage" in digest._source(digest.SCRIPTS, "fit_glm").imports


def test_code_digest_refuses_imports_that_it_cannot_follow(scripts):
    """A relative import would be code outside of every digest."""
    (scripts / "firstlevel" / "glm.py").write_text("from . import tables\n")
    digest._source.cache_clear()
    with pytest.raises(ImportError, match="imports relatively"):
        digest.code_digest("fit")


def test_packages_name_nothing_that_a_digest_would_miss():
    """What an __init__ imports under another name is not found by its file; nor is what a string imports."""
    for path in (digest.SCRIPTS / "firstlevel").rglob("*.py"):
        tree = ast.parse(path.read_text())
        if path.name == "__init__.py":
            assert all(isinstance(node, ast.Expr) for node in tree.body), path
        called = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
        assert not {"__import__", "importlib.import_module", "import_module"} & {*called}, path


def test_no_module_hides_one_of_the_standard_library():
    """Where a folder of the package comes first on the path; `io` is loaded before any path is looked at."""
    for path in (digest.SCRIPTS).rglob("*.py"):
        assert path.stem not in sys.stdlib_module_names, path
    folders = {path.parent.name for path in (digest.SCRIPTS / "firstlevel").rglob("*.py")}
    assert folders & {*sys.stdlib_module_names} == {"io"}
