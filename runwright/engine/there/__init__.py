"""Another host: everything that is done and looked at there, over one ssh login.

A system may run on another host than Runwright (`on` of a target). Then the same actions are performed there: programs run
there, files are written and read there, and a server at a loopback address is the one there. Drivers do not know: they make
actions, and what they read of the disk they read through ``paths.Path``. Which host that is, is said once, around everything
that is done for an environment: ``place.at``.

The ssh program does it, as the team has configured it: its keys, agent, jump hosts, certificates and known hosts are what its
people log in with. One connection is shared by all (OpenSSH's ControlMaster) and ended with the run.
"""
