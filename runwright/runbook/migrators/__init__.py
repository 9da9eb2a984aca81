"""What a runbook says of what moves its schema: one module for each tool, all with the same shape (``shape.Migrate``)."""
