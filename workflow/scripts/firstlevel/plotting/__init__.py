"""Figures: how they look, cuts, colours, the interactive viewer."""
