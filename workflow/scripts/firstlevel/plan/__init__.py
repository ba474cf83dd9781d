"""Planning: from config and data to the runs, the model and the files to be made."""
