"""What a runbook says of what measures it: one module for each source, all with the same shape (``shape.Metrics``)."""
