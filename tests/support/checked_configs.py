"""Configs as the workflow takes them: checked against its schema, with the defaults."""

import yaml
from studies import ROOT

from firstlevel.plan import config as configs

SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
CONTRASTS = "contrasts: {faces: faces}\n"


def keys(schema, prefix=""):
    """Every key of the schema that holds a value, with its part of the schema."""
    for name, part in schema["properties"].items():
        if "properties" in part:
            yield from keys(part, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", part


def checked(text):
    config = yaml.safe_load(text)
    configs.check_config(config, SCHEMA)
    return config
