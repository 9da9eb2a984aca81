"""What bench/zero_downtime.py measures with: a small application, its clients, and the tools that release it."""
