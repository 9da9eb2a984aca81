"""What pods are configured with, by their specs and by what ConfigMaps and Secrets hold."""

from __future__ import annotations

import base64

from runwright.platforms.kubernetes.settings import contents, environment, named, variables
from tests.unit.platforms.kubernetes.objects import configuration, container


def secret(name, **data):
    return configuration(name, "Secret", **{k: base64.b64encode(v.encode()).decode() for k, v in data.items()})


HELD = contents([configuration("app", LEVEL="info", EMPTY=""), secret("keys", api="s3cr3t", url="postgres://u:pw@h/d")])
SPEC = {
    "containers": [
        container(
            envFrom=[{"configMapRef": {"name": "app"}}, {"secretRef": {"name": "keys"}, "prefix": "K_"}],
            env=[
                {"name": "PLAIN", "value": "1"},
                {"name": "NOTHING"},
                {"name": "API_KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "api"}}},
                {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                {"name": "GONE", "valueFrom": {"secretKeyRef": {"name": "no", "key": "x", "optional": True}}},
                {"name": "LEVEL", "value": "debug"},
            ],
        )
    ],
    "volumes": [{"name": "k", "secret": {"secretName": "keys"}}],
}


def test_a_container_sees_what_it_names_and_the_later_word_counts():
    """`env` wins over `envFrom`, as in the cluster; what is optional and not there is not set."""
    assert environment(SPEC["containers"][0], HELD) == {
        "LEVEL": "debug", "EMPTY": "", "K_api": "s3cr3t", "K_url": "postgres://u:pw@h/d", "PLAIN": "1", "NOTHING": "",
        "API_KEY": "s3cr3t", "NODE": "(of the pod)",
    }  # fmt: skip


def test_what_is_mounted_of_a_secret_is_known_by_its_key():
    assert {("api", "s3cr3t"), ("url", "postgres://u:pw@h/d")} <= set(variables(SPEC, HELD))
    assert named([SPEC]) == {("ConfigMap", "app"), ("Secret", "keys"), ("Secret", "no")}


def test_a_secret_that_is_no_base64_or_written_as_text_is_read_all_the_same():
    odd = {**configuration("keys", "Secret", bad="%"), "stringData": {"typed": "as it is"}}
    assert contents([odd]) == {("Secret", "keys"): {"bad": "", "typed": "as it is"}}
