"""A head that moves in a scanner, responds to faces, and is measured with noise."""
