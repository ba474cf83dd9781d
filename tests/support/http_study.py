"""A local stand-in for the server of the SPM multimodal faces study: its archives, and how it may err."""

import contextlib
import io
import json
import threading
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import nibabel
import numpy as np
import scipy.io

REGISTRY = Path(__file__).resolve().parents[2] / "resources" / "spm_multimodal.json"
FMRI, SMRI = "multimodal_fmri.zip", "multimodal_smri.zip"
SERIES = {1: "0005", 2: "0006"}  # session -> series number in the file names
HTML = b"<!DOCTYPE html>\n<html><head><title>Site maintenance</title></head><body>Back soon.</body></html>"

Behaviour = Callable[[str, int], str]
"""(archive name, number of the request for it, from 1) -> whole, truncated, html, hang or an HTTP status."""

Change = Callable[[dict[str, bytes]], None]
"""Edits the members (name -> bytes) of the archives before they are written."""


def whole(_name: str, _request: int) -> str:
    """Serve every file as it is."""
    return "whole"


def first(count: int, answer: str) -> Behaviour:
    """Give a bad answer to the first `count` requests for each file, then serve it whole."""
    return lambda _name, request: answer if request <= count else "whole"


@contextlib.contextmanager
def serve(folder: Path, behaviour: Behaviour = whole, seen: list[str] | None = None) -> Iterator[str]:
    """Serve the files of `folder` on a free local port; gives the base URL, notes requests in `seen`."""
    requests: Counter[str] = Counter()
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            requests[name] += 1
            if seen is not None:
                seen.append(name)
            answer = behaviour(name, requests[name])
            if answer.isdigit() or not (folder / name).is_file():
                self.send_error(int(answer) if answer.isdigit() else 404)
                return
            body = HTML if answer == "html" else (folder / name).read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", "text/html" if answer == "html" else "application/zip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            sent = len(body) // 2 if answer in ("truncated", "hang") else len(body)
            self.wfile.write(body[:sent])
            self.wfile.flush()
            if answer == "hang":
                ended.wait()

        def log_message(self, *_arguments: object) -> None:
            """Keep the test output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/mmfaces/"
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


def tiny_members(volumes: int = 390) -> dict[str, bytes]:
    """Members of both archives in the real layout, volumes of 4 x 4 x 2 voxels, always the same bytes."""
    rng = np.random.default_rng(0)
    members = {}
    for session, number in SERIES.items():
        for scan in range(1, volumes + 1):
            stem = f"fMRI/Session{session}/fMETHODS-{number}-{scan:05d}-01"
            members |= _pair(stem, rng.integers(0, 1000, (4, 4, 2), dtype=np.int16))
        members[f"fMRI/trials_ses{session}.mat"] = _trials(session)
    return members | _pair("sMRI/smri", rng.integers(0, 1000, (8, 8, 8), dtype=np.int16))


def _pair(stem: str, values: np.ndarray) -> dict[str, bytes]:
    image = nibabel.Nifti1Pair(values, np.diag([3.0, 3.0, 3.0, 1.0]))
    files = {kind: io.BytesIO() for kind in ("image", "header")}
    for kind, buffer in files.items():
        image.file_map[kind].fileobj = buffer
    image.to_file_map()
    return {f"{stem}.img": files["image"].getvalue(), f"{stem}.hdr": files["header"].getvalue()}


def _trials(session: int) -> bytes:
    names, onsets = np.empty((1, 2), object), np.empty((1, 2), object)
    names[0, :] = ["faces", "scrambled"]
    onsets[0, :] = [np.arange(5.0, 380, 20)[:, None] + session, np.arange(15.0, 380, 20)[:, None] + session]
    file = io.BytesIO()
    scipy.io.savemat(file, {"names": names, "onsets": onsets})
    text = b"MATLAB 5.0 MAT-file".ljust(116)  # in place of a header with the date
    return text + file.getvalue()[116:]


def study_members(study: Path) -> dict[str, bytes]:
    """Members of both archives, from a study folder that holds ``fMRI/`` and ``sMRI/``."""
    files = sorted(path for path in study.glob("[fs]MRI/**/*") if path.is_file())
    return {path.relative_to(study).as_posix(): path.read_bytes() for path in files}


def make_archives(
    folder: Path,
    study: Path | dict[str, bytes] | None = None,
    *,
    volumes: int = 390,
    leading: str = "",
    change: Change | None = None,
) -> Path:
    """Write both archives in the real layout, and a registry for them; gives the registry.

    `study` is a folder with ``fMRI/Session1/...`` and ``sMRI/smri.img`` (``sub001``), or members, or None for
    a tiny one; `volumes` is the count per session that the registry asks for. `leading` is put before every
    name, `change` edits the members.
    """
    members = study_members(study) if isinstance(study, Path) else dict(study or tiny_members(volumes))
    if change:
        change(members)
    folder.mkdir(parents=True, exist_ok=True)
    for name, prefix in ((FMRI, "fMRI/"), (SMRI, "sMRI/")):
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for member, content in members.items():
                if member.startswith(prefix):
                    archive.writestr(zipfile.ZipInfo(leading + member), content, zipfile.ZIP_DEFLATED)
    return make_registry(folder, volumes)


def make_registry(folder: Path, volumes: int | None = None, **changes: object) -> Path:
    """Write a registry for the archives in `folder`: the one there, or the package's, with the size right.

    `volumes` are then asked for per session; `changes` replace values of the fMRI archive (size, ...).
    """
    path = folder / "registry.json"
    registry = json.loads((path if path.exists() else REGISTRY).read_text(encoding="utf-8"))
    fmri = next(item for item in registry["archives"] if item["file"] == FMRI)
    fmri |= {"size": (folder / FMRI).stat().st_size} | changes
    for series in fmri["series"]:
        if volumes is not None and "*" in series["pattern"]:
            series["count"] = volumes
    path.write_text(json.dumps(registry), encoding="utf-8")
    return path
