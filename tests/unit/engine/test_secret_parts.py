"""What programs take out of a secret is a secret too; what everybody may know is not."""

from __future__ import annotations

import base64
import json
import time

import pytest
import yaml

from runwright.engine.redaction import Redactor
from runwright.engine.secret_parts import parts

KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nBAQEFAASCBKcwggS\n-----END PRIVATE KEY-----\n"
ACCOUNT = json.dumps(
    {
        "type": "service_account",
        "project_id": "shop-production",
        "private_key_id": "0123456789abcdef",
        "private_key": KEY,
        "token_uri": "https://oauth2.googleapis.com/token",
    }
)
NESTED = json.dumps({"db": {"credentials": [{"user": "shop-user", "value": "Tr0ub4dor3x"}]}, "pin_key": 1234567890})
IN_JSON = json.dumps({"database": "postgresql://shop@db/shop?password=Tr0ub4dor3x", "region": "eu-central-1"})
LOGINS = json.dumps({"auths": {"registry.example.com": {"auth": "c2hvcDpUcjB1YjRkb3I="}}})
WEBHOOK = "https://hooks.example.com/services/T0/B0/XyZSecretPath"
TEAMS = "https://acme.example.com/webhookb2/IncomingWebhook/0a1b2c3d4e5f60718293/f0e1d2c3-0000"


@pytest.mark.parametrize(
    ("secret", "printed"),
    [
        (ACCOUNT, "MIIEvQIBADANBgkq"),
        (ACCOUNT, "BAQEFAASCBKcwggS"),
        (ACCOUNT, "0123456789abcdef"),
        (NESTED, "Tr0ub4dor3x"),
        (NESTED, "1234567890"),
        (IN_JSON, "Tr0ub4dor3x"),
        (LOGINS, "c2hvcDpUcjB1YjRkb3I="),
        ("Server=db;User Id=app;Password=Tr0ub4dor3x;", "Tr0ub4dor3x"),
        ("Server=db;User Id=app;Password=correct horse battery;Timeout=5", "correct horse battery"),
        ('Server=db;Pwd="Tr0ub;4dor3x"', "Tr0ub;4dor3x"),
        ("AccountName=shop;AccountKey=c2VjcmV0LWtleQ==;EndpointSuffix=x", "c2VjcmV0LWtleQ=="),
        ("host=db user=app password=Tr0ub4dor3x dbname=x", "Tr0ub4dor3x"),
        ("host=db password='Tr0ub\\'4dor 3x' dbname=x", "Tr0ub'4dor 3x"),
        ("postgresql://db/x?sslmode=verify-full&password=Tr0ub%2F4dor3x", "Tr0ub/4dor3x"),
        ("jdbc:postgresql://db/x?user=app&password=Tr0ub4dor3x", "Tr0ub4dor3x"),
        ("postgresql://app:Tr0ub%2F4dor3x@db/x", "Tr0ub/4dor3x"),
        ("https://example.com/hook?sig=Tr0ub+4dor3x", "Tr0ub+4dor3x"),
        ("https://example.com/hook?sig=Tr0ub%2B4dor3x", "Tr0ub+4dor3x"),
        (WEBHOOK, "XyZSecretPath"),
        (f"{WEBHOOK}/?wait=true", "XyZSecretPath"),
        (TEAMS, "0a1b2c3d4e5f60718293"),
        (TEAMS, "f0e1d2c3-0000"),
        ("https://0a1b2c3d4e5f60718293@errors.example.com/42", "0a1b2c3d4e5f60718293"),
    ],
)
def test_what_a_program_takes_out_of_a_secret_is_not_shown(secret: str, printed: str) -> None:
    """A line of a key, a password, a token: by itself, and as URLs and JSON spell it."""
    redactor = Redactor({"it": secret})
    for spelled in (printed, json.dumps(printed), printed.replace("/", "%2F").replace("+", "%2B")):
        cleaned = redactor.clean(f"used {spelled} to log in")
        assert "[secret it]" in cleaned
        assert spelled not in cleaned


def test_the_path_of_a_webhook_is_not_shown_by_a_log_of_requests() -> None:
    """Libraries log the path without the host."""
    assert Redactor({"hook": WEBHOOK}).clean('"POST /services/T0/B0/XyZSecretPath HTTP/1.1" 200') == (
        '"POST /services/T0/B0/[secret hook] HTTP/1.1" 200'
    )


@pytest.mark.parametrize(
    ("secret", "told"),
    [
        (ACCOUNT, "service_account of shop-production asks https://oauth2.googleapis.com/token"),
        (NESTED, "the pin_key of the db"),
        (IN_JSON, "in eu-central-1"),
        ("postgresql://db/x?sslmode=verify-full&password=Tr0ub4dor3x", "sslmode is verify-full"),
        ("postgresql://app:Tr0ub4dor3x@db/accounting", "the database accounting"),
        ("https://app:Tr0ub4dor3x@example.com/accounting", "accounting"),
        (TEAMS, "IncomingWebhook of acme.example.com"),
        (KEY, "-----BEGIN PRIVATE KEY-----"),
    ],
)
def test_what_everybody_may_know_stays_readable(secret: str, told: str) -> None:
    """A log in which names and places are replaced helps nobody."""
    assert Redactor({"it": secret}).clean(told) == told


@pytest.mark.parametrize("secret", ["[" * 100_000, '{"key": ' * 100_000, "https://[", "key=" * 30_000, "{not json"])
def test_no_value_is_too_strange_to_be_a_secret(secret: str) -> None:
    """What looks like JSON or a URL and is none is taken as it is, and takes no time."""
    begun = time.process_time()
    assert secret.strip() in parts(secret)
    assert time.process_time() - begun < 5


TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlcm5ldGVz.c2lnbmF0dXJl"
KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [
        {
            "name": "c",
            "cluster": {"server": "https://k8s.example.com:6443", "certificate-authority-data": "Q0VSVElGSUNBVEU="},
        }
    ],
    "users": [
        {
            "name": "u",
            "user": {
                "token": TOKEN,
                "client-key-data": base64.b64encode(KEY.encode()).decode(),
                "password": "hunter22x",
            },
        }
    ],
    "contexts": [{"name": "production", "context": {"cluster": "c", "user": "u"}}],
}


@pytest.mark.parametrize("written", [yaml.safe_dump, json.dumps])
@pytest.mark.parametrize(
    "printed",
    [
        f"Bearer {TOKEN}!",
        "MIIEvQIBADANBgkq",
        "pw=hunter22x;",
        "Q0VSVElGSUNBVEU=",
        KUBECONFIG["users"][0]["user"]["client-key-data"],
    ],
)
def test_each_secret_of_a_kubeconfig_is_taken_out_and_what_every_kubeconfig_says_is_not(written, printed):
    """It is mostly YAML: the token alone is what a program prints, and the lines of a private key, decoded."""
    redactor = Redactor({"kubeconfig": written(KUBECONFIG)})
    assert "[secret kubeconfig]" in redactor.clean_printed(f"x {printed} y")
    said = "https://k8s.example.com:6443: apiVersion: v1, kind: Config, production, - name: c"
    assert redactor.clean_printed(said) == said


def test_secrets_in_other_yaml_are_found_and_its_lines_stay_secret():
    """An application's settings as a file: what has a sensitive name is a secret alone as well."""
    redactor = Redactor({"settings": "db:\n  user: shop\n  password: Tr0ub4dor3x\nregion: eu-central-1\n"})
    assert redactor.clean_printed("got Tr0ub4dor3x") == "got [secret settings]"
    assert redactor.clean_printed("in region: eu-central-1") == "in [secret settings]"


@pytest.mark.parametrize("odd", ["a: [\nb: }", "a: b\n" * 9000, "a:\n  &x [*x]\n", "? {}\n: 1\n"])
def test_what_looks_like_yaml_and_is_none_breaks_nothing(odd):
    assert parts(odd) is not None
