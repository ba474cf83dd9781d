"""Where a study comes from: a run table, a BIDS folder, or a name."""
