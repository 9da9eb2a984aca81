"""Try that the way back works: release the current version again, break it on purpose, and see it come back."""

from __future__ import annotations

from prefect import flow

from runwright.errors import BreachError
from tasks.back_up import back_up
from tasks.begin import drilled
from tasks.build import build
from tasks.check import check
from tasks.close import close
from tasks.drill import break_it, came_back
from tasks.look_again import look_again
from tasks.migrate import migrate
from tasks.plan import plan
from tasks.put_back import in_hand
from tasks.resolve import resolve
from tasks.stage import stage
from tasks.switch import switch
from tasks.verify import verify_live, verify_staged
from tasks.watch import watch


@flow(name="drill", flow_run_name="{system}-{environment} {by}", persist_result=False)
def drill(system: str, environment: str, by: str = "", watch_minutes: float | None = None, deployer: str = "") -> str:
    """Release the version that serves again, break it, and record that it came back and how fast. Never in production.

    All that happens is what happens to any release that turns bad after its switch.

    Args:
        system: The system's name, as in its runbook.
        environment: One of the runbook's environments; not a production one.
        by: How it is broken: kill, errors or latency. Default: what was not tried for longest.
        watch_minutes: How long the watch has to notice it. Default: as the runbook says.
        deployer: Who asks for it.
    """
    with drilled(system, environment, by, watch_minutes, deployer) as release_id:
        resolve(release_id)
        check(release_id)
        build(release_id)
        plan(release_id)

        try:
            with in_hand(release_id, procedure="drill"):
                look_again(release_id)
                back_up(release_id)
                migrate(release_id)
                stage(release_id)
                verify_staged(release_id)
                switch(release_id)
                verify_live(release_id)
                break_it(release_id)
                watch(release_id)
        except BreachError:
            pass  # as it should be: what became of it is looked at
        close(release_id)
        return str(came_back(release_id))
