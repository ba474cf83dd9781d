"""Make the results a BIDS derivative: what they are and what made them, and what BIDS has no name for."""

from pathlib import Path
from typing import Any

from firstlevel import stage
from firstlevel.io import derivative, sidecars


def describe_dataset(
    *,
    description: Path,
    bidsignore: Path,
    model: Path,
    version: str,
    code_url: str | None,
    sessions: bool,
    runs_kept: bool,
    content: dict[str, Any],
) -> None:
    """Write the dataset's description, the model (`content`), and .bidsignore for what validators skip."""
    sidecars.write_json(model, content)
    sidecars.write_json(description, derivative.description(version, code_url))
    patterns = derivative.ignored(sessions, runs_kept)
    with stage.atomic(bidsignore) as temporary:
        temporary.write_text("".join(f"{pattern}\n" for pattern in patterns), encoding="utf-8")


if __name__ == "__main__":
    stage.run(describe_dataset, globals().get("snakemake"))
