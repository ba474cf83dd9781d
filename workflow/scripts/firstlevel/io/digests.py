"""Digests of what a result was computed from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from firstlevel import stage, texts
from firstlevel.io import series


def of_images(
    paths: Sequence[Path],
    sources: Iterable[Path | None] = (),
    known_digests: Mapping[Path, str] = MappingProxyType({}),
) -> list[dict[str, str]]:
    """SHA-256 of each image, the header of a pair and each `.mat` in `sources`; of a folder its first.

    Digests that are `known_digests` already, by path, are not computed again.
    """
    of = [image for path in paths for image in (series.images_in(path)[:1] if path.is_dir() else [path])]
    files = [file for image in of for file in (image, series.header_of(image)) if file]
    return of_files([*files, *dict.fromkeys(source for source in sources if source)], known_digests)


def of_run(
    files: Sequence[Path],
    sources: Iterable[Path | None],
    reference: Path,
    source: Path | None,
) -> dict[str, list[dict[str, str]]]:
    """Digests of a run and of the first image of its reference, which may be of the same run.

    `sources` and `source` are the ``.mat`` files that their affines are from.
    """
    inputs = of_images(files, sources)
    return {
        "Inputs": inputs,
        "Reference": of_images([reference], [source], {files[0]: inputs[0]["Sha256"]}),
    }


def of_files(
    paths: Iterable[Path], known_digests: Mapping[Path, str] = MappingProxyType({})
) -> list[dict[str, str]]:
    """SHA-256 of each file. Names that are not of BIDS stand in sourcedata.tsv alone."""
    return [
        {"Sha256": known_digests.get(path) or stage.sha256(path)}
        | ({"Name": name} if (name := texts.public(path)) else {})
        for path in paths
    ]
