"""What a runbook says of who sends it traffic: one module for each router, all with the same shape (``shape.Router``)."""
