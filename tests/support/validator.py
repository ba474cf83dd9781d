"""The official validator of BIDS datasets, without network."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

VALIDATOR = shutil.which("bids-validator-deno", path=str(Path(sys.executable).parent))
OFFLINE = os.environ | dict.fromkeys(
    ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"
)


def errors(folder):
    """What is wrong in a dataset, and where, as the validator has it."""
    command = [VALIDATOR, str(folder), "--format", "json", "--ignoreWarnings"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=OFFLINE)
    found = {
        (issue["code"], issue.get("location", "").rpartition("/")[2])
        for issue in json.loads(done.stdout)["issues"]["issues"]
        if issue["severity"] == "error"
    }
    assert done.returncode == (16 if found else 0), done.stderr
    return found
