"""Where a system runs: one module for each platform, all with the same shape (``shape.Platform``)."""
