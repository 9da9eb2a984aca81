"""What an image is built on."""

from __future__ import annotations

import pytest

from runwright.platforms.compose.draft.dockerfile import base_image, healthcheck

STAGES = "FROM node:20 AS build\nRUN x\nFROM build AS test\nFROM --platform=$BUILDPLATFORM nginx:1 as Web\nCOPY --from=build /a /\n"


@pytest.mark.parametrize(
    ("dockerfile", "target", "base"),
    [
        ("FROM postgres:15\n", "", "postgres:15"),
        ("# syntax=docker/dockerfile:1\n\nfrom postgres:15 \nRUN x", "", "postgres:15"),
        (STAGES, "", "nginx:1"),
        (STAGES, "test", "node:20"),
        (STAGES, "web", "nginx:1"),
        (STAGES, "0", "node:20"),
        (STAGES, "gone", ""),
        ("ARG V=15\nFROM postgres:${V}-alpine\n", "", "postgres:15-alpine"),
        ("ARG V\nFROM postgres:${V:-15}\n", "", "postgres:15"),
        ('ARG IMAGE="postgres:15"\nFROM $IMAGE\n', "", "postgres:15"),
        ("FROM \\\n  postgres:15\n", "", "postgres:15"),
        ("", "", ""),
    ],
)
def test_the_image_that_a_stage_begins_from(dockerfile: str, target: str, base: str) -> None:
    """Through the stages before it, and with the defaults of its arguments."""
    assert base_image(dockerfile, target) == base


def test_an_argument_that_is_given_counts() -> None:
    """More than the default."""
    assert base_image("ARG V=15\nFROM postgres:$V\n", args={"V": "16"}) == "postgres:16"


ASKED = "HEALTHCHECK --interval=30s --retries=3 \\\n    CMD curl -f http://localhost:8000/health || exit 1\n"


@pytest.mark.parametrize(
    ("dockerfile", "target", "told"),
    [
        (f"FROM a\n{ASKED}", "", "CMD curl -f http://localhost:8000/health || exit 1"),
        (f"FROM a AS base\n{ASKED}FROM base AS app\nCMD x\n", "", "CMD curl -f http://localhost:8000/health || exit 1"),
        (f"FROM a AS base\n{ASKED}FROM b AS app\n", "", ""),
        (f"FROM a AS base\n{ASKED}FROM b AS app\n", "BASE", "CMD curl -f http://localhost:8000/health || exit 1"),
        (f"FROM a AS base\n{ASKED}FROM base\nHEALTHCHECK NONE\n", "", ""),
        ("FROM a\n", "", ""),
        ("", "", ""),
    ],
)
def test_the_healthcheck_of_the_stage_that_runs(dockerfile: str, target: str, told: str) -> None:
    """A stage has the one of what it begins from, unless it says another, or none."""
    assert " ".join(healthcheck(dockerfile, target).split()) == told
