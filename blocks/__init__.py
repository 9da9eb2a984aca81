"""What logs in: the block that holds an environment's credentials, and how the steps of a release get at them."""

from blocks.environment import RunwrightEnvironment
from blocks.loading import load_secrets

__all__ = ["RunwrightEnvironment", "load_secrets"]
