"""What is asked before a release: one module for each gate, with ``answer``; which there are says ``registry.GATES``."""
