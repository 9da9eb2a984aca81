"""How one version gets the users of another: one file for each strategy that any platform and any router can offer together.

A platform whose own controller rolls versions over has a `Cutover` of its own, in its own folder.
"""
