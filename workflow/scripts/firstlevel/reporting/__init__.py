"""Pages, and the text of the methods."""
