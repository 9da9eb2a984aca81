"""How things are done: actions as values, the executor that journals and fences them, what performs them, and plan mode."""
