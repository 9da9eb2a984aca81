"""Let HAProxy's map hold what its file holds.

    python -m runwright.routers.haproxy.tell SOCKET MAP FILE

MAP is what HAProxy's configuration calls it. The file is read when it is told: who was overtaken tells what is right by now.
"""

from __future__ import annotations

import sys
from pathlib import Path

from runwright.errors import ActionError, ObservationError
from runwright.routers.haproxy.socket import in_file, replace


def main() -> None:
    """Do as the command line says."""
    path, name, file = sys.argv[1:]
    try:
        replace(Path(path), name, in_file(Path(file).read_text()))
    except (ActionError, ObservationError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
