"""Which of an application's variables are secret: those whose name says so, and values that look like nothing else."""

from __future__ import annotations

import time

import pytest

from runwright.engine.redaction import Redactor
from runwright.variables import secrets_in, variables_of

KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEFAASCBKcwggSjAgEAAoIB\n-----END PRIVATE KEY-----"
RANDOM = "kJ8sdf7Hq2LmZx91pQvT"


def cleaned(env: str, text: str) -> str:
    return Redactor({}, variables=secrets_in(variables_of(env))).clean_printed(text)


@pytest.mark.parametrize(
    ("env", "secret"),
    [
        ("DB_PASS=shop", "shop"),
        ("DB_PASSWORD=production", "production"),
        ("PGPASSWORD=postgres1", "postgres1"),
        ("MYSQL_PWD=abcd", "abcd"),
        ("PIN=1234", "1234"),
        ("SECRET_KEY_BASE=not so random", "not so random"),
        ("API_KEY_2=hunter22", "hunter22"),
        ("spring.datasource.password=tiger", "tiger"),
        ("dbPassword=tiger", "tiger"),
        ("ADMIN_PROXY_AUTH_SECRET=tiger", "tiger"),
        ("SECRET=secret1", "secret1"),
        ("JWT=tiger", "tiger"),
        ("DB_PASS='quoted tiger'", "quoted tiger"),
        ('export DB_PASS="quoted tiger"  # a remark', "quoted tiger"),
        ("DB_PASS=tiger # a remark", "tiger"),
        ("DB_PASS = tiger", "tiger"),
        ("DB_PASS: tiger", "tiger"),
        ('DB_PASS="with quotes"', '"with quotes"'),  # as `docker run --env-file` passes it on
        ('KEY="first\nsecond line"', "second line"),
        (f'TLS="{KEY}"', "AQEFAASCBKcwggSjAgEAAoIB"),
        ("TLS=" + KEY.replace("\n", "\\n"), "AQEFAASCBKcwggSjAgEAAoIB"),
        ("A=tiger\nDATABASE_URL=postgresql://app:${A}@db/x", "tiger"),
        ("A=ti\nB=ger\nDB_PASS=${A}${B}", "tiger"),
        ("DATABASE_URL=postgresql+psycopg://app:tiger@db/x", "tiger"),
        ("DATABASE_URL=postgresql://app:ti%21ger@db/x", "ti!ger"),
        ("DSN=host=db user=app password=tiger dbname=x", "tiger"),
        ("ConnectionStrings__Default=Server=db;User=app;Password=tiger;", "tiger"),
        ('CONFIG={"db": {"user": "app", "password": "tiger"}}', "tiger"),
        ('CONFIG={"url": "redis://:tiger@cache"}', "tiger"),
        (f"SENTRY=https://{RANDOM}@errors.example.com/1", RANDOM),
        (f"HOOK=https://hooks.example.com/services/T00/{RANDOM}", RANDOM),
        ("API=https://example.com/x?token=tiger12", "tiger12"),
        (f"SOMETHING={RANDOM}", RANDOM),
        ("SOMETHING=0a1b2c3d4e5f60718293a4b5c6d7e8f9", "0a1b2c3d4e5f60718293a4b5c6d7e8f9"),
        ("this is no setting\nDB_PASS=tiger\n'''\n", "tiger"),
        ("\ufeffDB_PASS=tiger", "tiger"),
    ],
)
def test_what_a_variable_keeps_secret_is_taken_out_of_what_is_printed(env: str, secret: str) -> None:
    """Whatever is around it: a sentence, quotes, an assignment, an address."""
    for text in (f"wrong: {secret}", f'"{secret}"', f"x={secret};", f"got '{secret}' (28P01)"):
        assert secret not in cleaned(env, text).replace("[secret SECRET]", "")


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ("DEBUG=true\nAPP_ENV=production\nPORT=8000\nHOST=localhost", "true production 8000 localhost"),
        ("ACCESS_TOKEN_EXPIRE_MINUTES=1440", "1440 minutes"),
        ("PASSWORD_MIN_LENGTH=1024\nPASSWORD_HASHER=bcrypt", "1024 bcrypt"),
        ("SECRET_KEY_FILE=/run/secrets/key", "/run/secrets/key"),
        ("AUTH_BACKEND=ldap.example\nAUTH_URL=https://auth.example.com/login", "ldap.example https://auth.example.com/login"),
        ("JWT_ALGORITHM=HS256\nTOKEN_TTL=3600", "HS256 3600"),
        ("VERIFY_TOKEN=true\nOPTIONAL_SECRET=none", "true none"),
        ("KEYCLOAK_HOST=keycloak\nMONKEY_BARS=four\nPASSENGER_COUNT=4000", "keycloak four 4000"),
        ("NEXT_PUBLIC_STRIPE_KEY=pk_live_51Habcdefgh", "pk_live_51Habcdefgh"),
        ("GIT_COMMIT=3f2a9c0d1e4b5a6f7c8d9e0f1a2b3c4d5e6f7a8b", "3f2a9c0d1e4b5a6f7c8d9e0f1a2b3c4d5e6f7a8b"),
        ("DATABASE_URL=postgresql://app:tiger@db.internal/accounting", "app db.internal accounting"),
        ("API_URL=https://api.example.com/v1/accounting?page=overview", "accounting overview"),
        ("DATA=/var/lib/Shop2/data/uploads\nTZ=America/Argentina/Buenos_Aires", "/var/lib/Shop2/data/uploads America"),
        ("DB_PASS=${OTHER}", "OTHER"),
        ("DB_PASS=abc", "abc"),
        ("DB_PASS=shop", "shopping, workshop"),
        ("PGPASSWORD=postgres", "/var/lib/postgres of postgres:15 at postgresql://postgres@db"),
    ],
)  # fmt: skip
def test_settings_stay_readable(env: str, told: str) -> None:
    """A log in which `true`, `production` and names of hosts are replaced helps nobody."""
    assert cleaned(env, told) == told


def test_our_own_sentences_keep_their_words() -> None:
    """A password that is a word of the runbook, or a short one, is taken out of what others say, not of a command to type."""
    found = secrets_in([("DB_PASS", "shop"), ("PW", "production"), ("TOKEN", "tiger-tiger-tiger")])
    redactor = Redactor({}, variables=found, public={"production"})
    told = "runwright rollback shop/production, tiger-tiger-tiger"
    assert redactor.clean(told) == "runwright rollback shop/production, [secret TOKEN]"
    assert redactor.clean_printed(told) == "runwright rollback [secret DB_PASS]/[secret PW], [secret TOKEN]"


@pytest.mark.parametrize(
    "env", ["A=" + "\\" * 50_000, "A=" + "'" * 50_000, "A=" + "${" * 50_000, "=" * 50_000, "KEY=" * 20_000, " " * 50_000 + "x",
            "A='" + "\n" * 50_000, "A=x" + " " * 50_000 + "#", "DB_PASS=" + "pass=" * 10_000, "A={" * 20_000,
            "A0=xx\n" + "".join(f"A{i + 1}=${{A{i}}}${{A{i}}}\n" for i in range(100))]
)  # fmt: skip
def test_no_env_file_takes_long_to_read(env: str) -> None:
    """Somebody else writes it, and a release waits for it."""
    begun = time.process_time()
    list(secrets_in(variables_of(env)))
    assert time.process_time() - begun < 5
