"""What a runbook says of where it runs: one module for each platform, all with the same shape (``shape.Target``)."""
