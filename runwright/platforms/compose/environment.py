"""Which variables the containers of a service see: their names alone. Docker takes the values out before it prints."""

from __future__ import annotations

from datetime import datetime

from runwright.actions import Command, Do, Output
from runwright.errors import ObservationError
from runwright.platforms.compose.containers import PROJECT
from runwright.platforms.shape import KeysSeen

# {{split}} leaves what is before the first = as the name; a variable that is set to nothing is not printed
_NAMES = (
    '{{.Created}}{{range .Config.Env}}{{$parts := split . "="}}{{if gt (len $parts) 1}}'
    '{{$rest := slice . (len (index $parts 0))}}{{if ne $rest "="}} {{index $parts 0}}{{end}}{{end}}{{end}}'
)


def keys_seen(do: Do, project: str, service: str) -> tuple[KeysSeen, ...]:
    """Return what each running container of ``service`` sees; nothing if none runs. Raise ObservationError, ActionError."""
    labels = (PROJECT + "=" + project, f"com.docker.compose.service={service}", "com.docker.compose.oneoff=False")
    filters = tuple(word for label in labels for word in ("--filter", f"label={label}"))
    ids: tuple[str, ...] = do(
        Command(
            says=f"list the containers of {service}",
            argv=("docker", "ps", "--no-trunc", *filters, "--format", "{{.ID}}"),
            parse=lambda output: tuple(output.text.split()),
            assume=(),
        )
    )
    if not ids:
        return ()
    return do(
        Command(
            says=f"read the names of the variables that {service} sees",
            argv=("docker", "container", "inspect", "--format", _NAMES, *ids),
            parse=_parsed,
            assume=(),
        )
    )


def _parsed(output: Output) -> tuple[KeysSeen, ...]:
    lines = [line.split() for line in output.text.splitlines() if line.strip()]
    try:
        return tuple(KeysSeen(frozenset(names), datetime.fromisoformat(made)) for made, *names in lines)
    except ValueError:
        raise ObservationError("Docker told the containers' variables in a way that is not known.") from None
