"""What is to be done: config and data become runs, and files to be made."""
