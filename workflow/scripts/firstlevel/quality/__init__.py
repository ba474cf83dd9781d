"""Measures of quality, and verdicts on them."""
