"""Whatever answers, and whatever it answers: nothing unexpected happens, and nonsense is never a breach."""
