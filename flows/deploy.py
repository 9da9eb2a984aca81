"""Release a version: from the checklist to the end of the watch."""

from __future__ import annotations

from prefect import flow

from tasks.back_up import back_up
from tasks.begin import released
from tasks.build import build
from tasks.check import check
from tasks.close import close
from tasks.look_again import look_again
from tasks.migrate import migrate
from tasks.plan import plan
from tasks.publish import publish
from tasks.put_back import in_hand
from tasks.resolve import resolve
from tasks.stage import stage
from tasks.switch import switch
from tasks.verify import verify_live, verify_staged
from tasks.watch import watch


@flow(name="deploy", flow_run_name="{system}-{environment} {version}", persist_result=False)
def deploy(
    system: str,
    environment: str,
    version: str,
    deployer: str = "",
    attestations: dict[str, str] | None = None,
    watch_minutes: float | None = None,
    adopt: bool = False,
    components: list[str] | None = None,
) -> str:
    """Release a version of a system to an environment, watch it, and put the old one back if it fails.

    Args:
        system: The system's name, as in its runbook.
        environment: One of the runbook's environments.
        version: A tag, a branch or a commit.
        deployer: Who releases it; kept in the deployment log.
        attestations: What people state: the id of a gate, and the name of the person.
        watch_minutes: Watch for this long instead; never less than thirty minutes in production.
        adopt: Take what runs now as the way back, although it is not what the ledger says.
        components: What is released, by its name in the runbook; the others stay as they were. Without it everything is.
    """
    with released(
        system, environment, version, deployer, attestations or {}, watch_minutes, adopt, components
    ) as release_id:
        # preparation: nothing that users touch is changed
        resolve(release_id)
        check(release_id)
        build(release_id)
        plan(release_id)

        with in_hand(release_id):
            look_again(release_id)
            publish(release_id)
            back_up(release_id)
            migrate(release_id)
            stage(release_id)
            verify_staged(release_id)
            switch(release_id)
            verify_live(release_id)
            watch(release_id)
            return str(close(release_id))
