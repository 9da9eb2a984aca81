"""Where to log in: ssh://USER@HOST:PORT, of which only the host is needed; ssh's own configuration knows the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from runwright.errors import InputError

# nothing that ssh could take for an option, and no password: that would be in every log
SSH_ADDRESS: Final = (
    r"^ssh://([A-Za-z0-9_][A-Za-z0-9_.-]*@)?([A-Za-z0-9][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:]+\])(:[1-9][0-9]{0,4})?$"
)
_PARTS: Final = re.compile(SSH_ADDRESS)


@dataclass(frozen=True)
class Address:
    """A host that can be logged in to. user, port: "" and 0 if ssh's configuration says them."""

    text: str
    user: str
    host: str
    port: int

    @classmethod
    def of(cls, text: str) -> Address:
        """Return what ``text`` says. Raise InputError if it is no address for ssh."""
        found = _PARTS.fullmatch(text)
        if found is None:
            raise InputError(f"{text!r} is no host for ssh.", next="Write ssh://USER@HOST, or ssh://USER@HOST:PORT.")
        user, host, port = found[1] or "", found[2].strip("[]"), found[3] or ":0"
        return cls(text, user.rstrip("@"), host, int(port[1:]))

    @property
    def words(self) -> tuple[str, ...]:
        """The words that tell ssh whom to log in to, the host last."""
        user = ("-l", self.user) if self.user else ()
        port = ("-p", str(self.port)) if self.port else ()
        return (*user, *port, "--", self.host)
