"""How each kind of action is really performed: processes, HTTP, files. The executor alone calls these."""
