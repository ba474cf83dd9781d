"""Inference on maps: thresholds, clusters, tails of distributions."""
