"""Snakemake without the second that it takes to import it.

A process that has imported Snakemake forks at each call, and the child does what ``python -m snakemake``
does. For dry runs, of which the tests have many.
"""

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path


def snakemake(arguments, folder):
    """Call Snakemake in a folder; gives what subprocess.run gives, with the text of both streams."""
    with tempfile.TemporaryDirectory() as streams:
        files = [Path(streams) / name for name in ("stdout", "stderr")]
        request = {"arguments": arguments, "folder": str(folder), "streams": [str(file) for file in files]}
        server = _server()
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        return subprocess.CompletedProcess(arguments, code, *(file.read_text() for file in files))


@functools.cache
def _server():
    """One per process of the tests, and it ends with that."""
    server = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(server.communicate)
    return server


def _serve():
    """Fork for each line of standard input, and answer with the exit code."""
    from snakemake import cli

    for line in sys.stdin:
        request = json.loads(line)
        if child := os.fork():
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
            continue
        os.chdir(request["folder"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, name in enumerate(request["streams"], start=1):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), number)
        sys.path[0], sys.argv = request["folder"], ["snakemake", *request["arguments"]]
        cli.main()
        sys.exit()


if __name__ == "__main__":
    _serve()
