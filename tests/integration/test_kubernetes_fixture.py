"""The cluster of the tests itself: a namespace, an image, and what runs in it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.fixtures.kubernetes import Namespace
from tests.fixtures.kubernetes_shop import deployment, service, together

pytestmark = [pytest.mark.kubernetes, pytest.mark.docker]


def test_an_image_of_ours_runs_in_a_namespace_and_answers(
    namespace: Namespace, app_image: Callable[[str], str]
) -> None:
    """What the other tests build on: the node pulls by digest from the registry, and a Service is reached from here."""
    manifests = together(deployment(app_image("v1"), SET_COLOUR="blue"), service())
    namespace.run("apply", "-f", "-", stdin=json.dumps(manifests))
    namespace.run("rollout", "status", "deployment/shop", "--timeout=90s")
    assert namespace.ask() | {"pod": ""} == {"version": "v1", "pod": "", "settings": {"SET_COLOUR": "blue"}}
