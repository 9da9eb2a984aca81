"""Run the shop. This release does not get that far: it ends as soon as it is started."""

from __future__ import annotations

import sys

sys.exit("shop: the settings of this release are incomplete, it cannot start")
