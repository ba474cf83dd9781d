"""The model: responses, designs, fit, contrasts."""
