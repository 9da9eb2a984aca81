"""Who is told: one module for each way, with ``send``; which there are says ``registry.NOTIFIERS``."""
