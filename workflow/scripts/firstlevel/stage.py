"""How a stage is called, how it writes, and how it fails.

A stage is one typed function with keyword-only parameters. :func:`run` binds them to Snakemake's named
input, output and params, or, outside Snakemake, to command line flags made from the same annotations.
Standard library only: every job pays for this import.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import glob
import hashlib
import inspect
import json
import logging
import os
import signal
import sys
import tempfile
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from firstlevel.texts import shortened, visible

SCRIPTS = Path(__file__).resolve().parents[1]

logger = logging.getLogger(__name__)


class InputError(Exception):
    """Something that the user gave is wrong: one message that says where, what, and what to do.

    Parameters
    ----------
    where : file (or config key) at fault.
    problem : what is wrong, with the offending value.
    expected : what would be right.
    remedy : what the user can do about it.
    row : row of a table, counted as an editor counts lines (the header is row 1).

    Attributes
    ----------
    parts : the same as data: Where, Problem, Expected, Remedy.
    """

    def __init__(
        self, where: Path | str, problem: str, *, expected: str, remedy: str, row: int | None = None
    ) -> None:
        place, problem, expected, remedy = map(shortened, (str(where), problem, expected, remedy))
        place = f"{place}, row {row}" if row is not None else place
        self.parts = {"Where": place, "Problem": problem, "Expected": expected, "Remedy": remedy}
        super().__init__(visible(f"{place}: {problem}\n  expected: {expected}\n  to do: {remedy}"))


REFUSED = {
    errno.ENOSPC: ("the disk is full", "free some space, or move the results (pathvars), and start again"),
    errno.EDQUOT: ("the disk quota is used up", "free some space, or move the results (pathvars)"),
    errno.EFBIG: ("the file is larger than the system allows", "raise the limit (ulimit -f)"),
    errno.EROFS: ("the disk is read-only", "write elsewhere: --directory, or pathvars"),
    errno.EACCES: ("the permission is missing", "correct the permissions of the file and its folders"),
    errno.EPERM: ("the permission is missing", "correct the permissions of the file and its folders"),
    errno.EISDIR: ("is a folder", "name a file"),
    errno.ENOTDIR: ("a part of the path is not a folder", "correct the path, or move what is in the way"),
    errno.ELOOP: ("links lead in a circle", "correct the links"),
    errno.EIO: ("the disk reports an error", "check the disk, and restore the file"),
}
"""What the system refuses, in words, and what the user can do about it."""


def of_the_system(error: OSError) -> InputError | None:
    """Return what the system refused as a message to the user; None where it is no matter of theirs."""
    if error.errno not in REFUSED:
        return None
    problem, remedy = REFUSED[error.errno]
    return InputError(
        error.filename or "a file of the results",
        f"{problem} ({error.strerror})",
        expected="files that can be read, and a disk with room to write",
        remedy=remedy,
    )


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` (same suffixes) that takes its name when the block ends well.

    Readers see the whole file or none. What a failed block wrote is removed, and so is what an earlier job
    left that was killed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    suffixes = "".join(path.suffixes[-2:])
    for left_by_a_kill in path.parent.glob(f".{glob.escape(path.name)}.*{suffixes}"):
        left_by_a_kill.unlink(missing_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=suffixes)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of the bytes of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def versions(*packages: str) -> dict[str, str]:
    """Installed versions of the packages that computed a result."""
    import importlib.metadata  # with the mail and archives that it imports, half of this module's time

    return {package: importlib.metadata.version(package) for package in packages}


def run(function: Callable[..., None], snakemake: Any = None, argv: Sequence[str] | None = None) -> None:
    """Call a stage as a Snakemake script, or from the command line where `snakemake` is None."""
    hints = typing.get_type_hints(function)
    parameters = inspect.signature(function).parameters
    labels: dict[str, str] = {}
    if snakemake is None:
        log, arguments = None, _command_line(function, parameters, hints, argv)
    else:
        labels = dict(snakemake.wildcards.items())
        log = Path(snakemake.log[0]) if snakemake.log else None
        arguments = _bound(function, parameters, hints, snakemake)
    gc.set_threshold(100_000, 50, 100)  # the libraries' imports make many objects and no garbage
    _start_log(log)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, so that unfinished files go
    left_behind = log and log.with_suffix(".json")
    try:
        function(**arguments)
    except Exception as error:
        explained = of_the_system(error) if isinstance(error, OSError) else error
        logger.debug("%s stopped", function.__name__, exc_info=True)
        if left_behind:
            unknown = {"Where": f"{log}", "Problem": f"{type(error).__name__}: {error}"}
            parts = explained.parts if isinstance(explained, InputError) else unknown
            _leave(
                left_behind,
                {
                    "Stage": function.__name__,
                    "Labels": {key.capitalize(): value for key, value in labels.items()},
                    **parts,
                },
            )
        if isinstance(explained, InputError):
            _stop(f"{function.__name__} stopped. {explained}")
        _stop(f"{function.__name__} failed: {type(error).__name__}: {error}", log)
    if left_behind:
        left_behind.unlink(missing_ok=True)


def _leave(path: Path, content: dict[str, Any]) -> None:
    """Write what a failed job leaves, beside its log, as far as the disk allows."""
    with contextlib.suppress(OSError), atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _stop(message: str, log: Path | None = None) -> typing.NoReturn:
    message = visible(message)
    logger.error("%s", message)
    print(f"\n{message}", f"\n  traceback: {log}\n" if log else "\n", file=sys.stderr, sep="")
    sys.exit(1)


def _start_log(log: Path | None) -> None:
    handler: logging.Handler
    if log is None:
        handler, form = logging.StreamHandler(sys.stderr), "%(message)s"
    else:
        log.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(log, mode="w", encoding="utf-8")
        form = "%(asctime)s %(levelname)s %(message)s"
        logger.setLevel(logging.DEBUG)
    handler.setFormatter(_Visible(form))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)


class _Visible(logging.Formatter):
    """Lines of a log in which no text of the user's is a command to a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


def _bound(
    function: Callable[..., None],
    parameters: Mapping[str, inspect.Parameter],
    hints: Mapping[str, Any],
    snakemake: Any,
) -> dict[str, Any]:
    """Named input, output and params (without `code`), and `threads`, as the function's arguments."""
    given: dict[str, Any] = {}
    for group in (snakemake.input, snakemake.output, snakemake.params):
        for name, value in group.items():
            if name in given:
                raise TypeError(f"{function.__name__}: the rule uses the name {name!r} twice")
            given[name] = value
    given.pop("code", None)
    if "threads" in parameters:
        given["threads"] = snakemake.threads
    if surplus := sorted(given.keys() - parameters.keys()):
        raise TypeError(f"{function.__name__} does not know what its rule gives: {', '.join(surplus)}")
    required = {name for name, p in parameters.items() if p.default is inspect.Parameter.empty}
    if missing := sorted(required - given.keys()):
        raise TypeError(f"{function.__name__} lacks what its rule should give: {', '.join(missing)}")
    return {name: _convert(value, hints[name]) for name, value in given.items()}


def _convert(value: Any, hint: Any) -> Any:
    """Strings of Snakemake as the paths, dictionaries as the dataclass that the annotation asks for.

    Every other value stays as it is.
    """
    if value is None or (_is_optional(hint) and value == []):  # an input that the study does not have
        return None
    hint = _given(hint)
    if _is_dataclass(hint) and isinstance(value, Mapping):
        hints = typing.get_type_hints(hint)
        return hint(**{name: _convert(one, hints.get(name, Any)) for name, one in value.items()})
    if hint is Path:
        return Path(str(value))
    if typing.get_origin(hint) is Literal and value not in typing.get_args(hint):
        raise TypeError(f"{value!r} is none of {typing.get_args(hint)}")
    if hint == list[Path]:
        return [Path(str(value))] if isinstance(value, str) else [Path(str(item)) for item in value]
    return value


def _is_dataclass(hint: Any) -> bool:
    return hasattr(hint, "__dataclass_fields__")


def _is_optional(hint: Any) -> bool:
    union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    return union and type(None) in typing.get_args(hint)


def _given(hint: Any) -> Any:
    """Return the type of a value that is there: of ``X | None`` it is X, a longer union stays."""
    kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)]
    return kinds[0] if _is_optional(hint) and len(kinds) == 1 else hint


def _command_line(
    function: Callable[..., None],
    parameters: Mapping[str, inspect.Parameter],
    hints: Mapping[str, Any],
    argv: Sequence[str] | None,
) -> dict[str, Any]:
    import argparse

    parser = argparse.ArgumentParser(description=inspect.getdoc(function))
    for name, parameter in parameters.items():
        hint = hints[name]
        options: dict[str, Any] = {"required": parameter.default is inspect.Parameter.empty}
        if not options["required"]:
            options["default"] = parameter.default
        if _is_optional(hint):
            options |= {"required": False, "default": options.get("default")}
            hint = _given(hint)
        if typing.get_origin(hint) is list and typing.get_args(hint)[0] in (Path, str, float):
            options |= {"nargs": "*", "type": typing.get_args(hint)[0]}
        elif hint is bool:
            options["action"] = argparse.BooleanOptionalAction
        elif typing.get_origin(hint) is Literal:
            options["choices"] = typing.get_args(hint)
            options["type"] = type(options["choices"][0])
        elif hint in (Path, str, int, float):
            options["type"] = hint
        elif _is_dataclass(hint):
            options |= {"type": partial(_of_json, hint), "metavar": "JSON"}
        else:
            options |= {"type": json.loads, "metavar": "JSON"}
        parser.add_argument(f"--{name.replace('_', '-')}", dest=name, **options)
    return vars(parser.parse_args(argv))


def _of_json(hint: Any, text: str) -> Any:
    return _convert(json.loads(text), hint)
