"""The one Prefect block of an environment: what its releases need to log in, and the application's own secrets."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final

from prefect.blocks.core import Block
from prefect.types import SecretDict
from pydantic import ConfigDict, Field, SecretStr

from runwright.errors import InputError

NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")
"""What a secret can be called: what ``${secret.NAME}`` in a runbook understands."""


class RunwrightEnvironment(Block):
    """The credentials of one environment, and the secrets of its application. Runbooks use them as `${secret.NAME}`.

    Every value but the user names is masked wherever Prefect shows this block. `runwright secrets set` writes it.
    """

    _block_type_name: ClassVar[str | None] = "Runwright Environment"
    _block_type_slug: ClassVar[str | None] = "runwright-environment"
    _description: ClassVar[str | None] = (
        "The credentials of one environment that Runwright releases to, and the secrets of its application."
    )

    model_config = ConfigDict(hide_input_in_errors=True)

    database_password: SecretStr | None = Field(default=None, description="The password of the database's user.")
    registry_block: str | None = Field(
        default=None,
        description="The name of a Docker Registry Credentials block; instead of the next two.",
    )
    registry_username: str | None = Field(default=None, description="The user name for the image registry.")
    registry_password: SecretStr | None = Field(default=None, description="The password or token for it.")
    metrics_token: SecretStr | None = Field(default=None, description="The token for the source of metrics.")
    metrics_user: str | None = Field(default=None, description="The user name for the source of metrics.")
    metrics_password: SecretStr | None = Field(default=None, description="The password for it.")
    smoke_user: str | None = Field(default=None, description="The user that smoke tests log in as.")
    smoke_password: SecretStr | None = Field(default=None, description="The password of that user.")
    github_token: SecretStr | None = Field(
        default=None, description="A token that may read the repository, its checks and its statuses."
    )
    application: SecretDict = Field(
        default_factory=lambda: SecretDict({}),
        description='Any other secrets by name, for example {"stripe_key": "…"}. Values are text.',
    )

    def values(self) -> dict[str, str]:
        """Return every value that is set, by its name in ``${secret.NAME}``. In clear: never return it from a task.

        Raise InputError, which names the key and never the value, if the application's secrets hold something that is
        no text, or a name that is taken or that a runbook could not write.
        """
        found: dict[str, str] = {}
        for name in (*SECRET_FIELDS, *PLAIN_FIELDS):
            value = getattr(self, name)
            text = value.get_secret_value() if isinstance(value, SecretStr) else value
            if text and name != "registry_block":
                found[name] = text
        for name, value in self.application.get_secret_value().items():
            if value == "" or value is None:
                continue
            if not isinstance(value, str):
                raise InputError(
                    f"The secret {name!r} is a {type(value).__name__}, not a text.",
                    next="Put its value in quotes, or set it with `runwright secrets set`.",
                )
            if name in (*SECRET_FIELDS, *PLAIN_FIELDS) or not NAME.fullmatch(name):
                raise InputError(
                    f"A secret of the application cannot be called {name!r}: "
                    + (
                        "the block has a field of that name."
                        if NAME.fullmatch(name)
                        else "a runbook could not write it."
                    ),
                    next="Rename it in the block; use letters, digits, dots, dashes and underscores.",
                )
            found[name] = value
        return found

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Refuse to be pickled: Prefect's result storage keeps pickles, and in them secrets in clear."""
        raise TypeError(
            f"{type(self).__name__} holds credentials and is never stored; load it by name in the task that needs it"
        )


SECRET_FIELDS: Final = (
    "database_password",
    "registry_password",
    "metrics_token",
    "metrics_password",
    "smoke_password",
    "github_token",
)
PLAIN_FIELDS: Final = ("registry_block", "registry_username", "metrics_user", "smoke_user")
"""Fields that are shown: names, not secrets."""
