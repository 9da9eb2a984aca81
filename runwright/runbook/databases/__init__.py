"""What a runbook says of what holds its data: one module for each database, all with the same shape (``shape.Database``)."""
