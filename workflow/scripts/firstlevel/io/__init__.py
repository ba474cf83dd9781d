"""Files in and out: images, tables, events, confounds, designs, sidecars."""
