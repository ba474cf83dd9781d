"""Volumes on a grid: resampling, motion, masks."""
