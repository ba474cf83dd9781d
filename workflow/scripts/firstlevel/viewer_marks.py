"""Where the page of a viewer has its data: between these. Standard library."""

START, END = '<script type="application/json" id="maps">', "</script>"
