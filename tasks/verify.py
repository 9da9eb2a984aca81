"""Prove that a version does what its runbook says it must."""

from __future__ import annotations

from runwright.release import verify as release
from tasks.step import step

verify_staged = step(release.verify_staged)
verify_live = step(release.verify_live)
