"""Prefect's worker as ``up`` starts it: what it writes meanwhile lies in a folder of ours.

``python -m deployments.prefect_worker`` takes the options of ``prefect worker start``. Prefect's own way keeps it in
``/tmp/runner_storage``, a name that any user of the machine can take first. Only this process is told otherwise: with
``TMPDIR`` the runs, and the applications that they start, would have their own files there too.
"""

from __future__ import annotations

import signal
import sys
import tempfile

from runwright.home import home, make_folder


def keep_to_our_folder() -> None:
    """Let this process make its temporary files in the home, readable by this user alone."""
    folder = home() / "tmp"
    make_folder(folder)
    folder.chmod(0o700)
    tempfile.tempdir = str(folder)


def main() -> None:
    """Run ``prefect worker start`` in this process."""
    # whoever started us may ignore it (`nohup`, a shell script), and a child would too: then nobody could interrupt it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    keep_to_our_folder()
    from prefect.cli import app

    sys.argv = ["prefect", "worker", "start", *sys.argv[1:]]
    app()


if __name__ == "__main__":
    main()
