"""Fails, hangs, kills and stops releases at every change that they make, and asks the target what became of them."""
