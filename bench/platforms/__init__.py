"""What is measured of each platform: one module of its name for each, with ``measure``."""
