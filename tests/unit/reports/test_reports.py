"""What people read: everything that came from outside stays text, and every report holds what it must."""

from __future__ import annotations

import html
import re
import shlex
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from runwright.engine.planning import Step
from runwright.policy.watch import Conclusion, ProbeRecord, Progress, RuleRecord, Watching
from runwright.reports.checklist import Line, checklist
from runwright.reports.log import Entry, log
from runwright.reports.markdown import COMMAND_CHARACTERS, block, cell, code, command, short, table, text
from runwright.reports.plan import Commit, Image, Migration, Plan, plan
from runwright.reports.rollback import Evidence, Rollback, Written, rollback
from runwright.reports.watch import watch
from runwright.runbook.checks import Rule

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EVIL = "x | y `rm` <script>alert(1)</script> [click](javascript:alert(1)) ![i](http://e.vil/x) **b** # h\n- item &lt;"


def rendered(markdown: str) -> str:
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    parser.validateLink = lambda url: url.startswith("data:image/") or "javascript" not in url  # type: ignore[method-assign]
    return str(parser.render(markdown))


def plain(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).split())


texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cf")), max_size=60)


@given(texts)
def test_text_from_outside_reads_as_it_is(given: str) -> None:
    """Rendered, it is the same text: no markup, no tags, no links."""
    markup = rendered(text(given))
    assert re.sub(r"</?p>\n?", "", markup).count("<") == 0
    assert plain(markup) == " ".join(given.split())


@given(texts)
def test_text_from_outside_stays_in_its_cell(given: str) -> None:
    """A table keeps its shape whatever is in it."""
    markup = rendered(table(["A", "B"], [(text(given), "end")]))
    cells = re.findall(r"<td>(.*?)</td>", markup, flags=re.DOTALL)
    assert [plain(cell) for cell in cells] == [" ".join(given.split()), "end"]


@given(st.text("`ab \\<|", max_size=20), st.text("`~ab\n <", max_size=40))
def test_code_ends_where_it_should(inline: str, lines: str) -> None:
    """Inline code and blocks hold any backticks."""
    markup = rendered(f"see {code(inline)} here")
    assert markup.startswith("<p>see <code>") and markup.count("<code>") == 1 and markup.endswith("</code> here</p>\n")
    markup = rendered(f"1. a\n\n{block(lines, 'sh', 3)}\n\n2. b")
    assert markup.count("<li>") == 2 and markup.count("<pre>") == 1
    assert html.unescape(markup.split('<code class="language-sh">')[1].split("</code>")[0]).split() == lines.split()


def full_plan(**changes: Any) -> Plan:
    given: dict[str, Any] = {
        "system": "shop", "environment": "production", "goes_from": "v1.3.0 (aaaa1111)", "goes_to": "v1.4.0 (bbbb2222)",
        "hash": "c0ffee", "commits": [Commit("b" * 40, EVIL, "Ann")],
        "images": [Image("api", "ghcr.io/acme/api@sha256:12", "sha256:12ab", built=True)],
        "migrations": [Migration("0042", "add column note to orders", "L1", "the column is nullable")],
        "level": "L1", "gates": [Line("ci", "The checks have passed", "pass", "3 of 3 checks")],
        "downtime": "about 4 s while api is replaced", "watch": "30m, 4 rules, every 30s",
        "steps": [Step("deploy/api", "start api at sha256:12ab", "docker compose up -d api"),
                  Step("deploy/x", "write a file", "write 3 bytes to /x | `y`")],
    }  # fmt: skip
    return Plan(**{**given, **changes})


def test_a_plan_holds_what_somebody_approves() -> None:
    """Versions, hash, commits, artifacts, migrations with their class, level, gates, downtime, and each exact command."""
    found = plain(rendered(plan(full_plan())))
    for wanted in (
        "v1.3.0 (aaaa1111)", "v1.4.0 (bbbb2222)", "Plan: c0ffee Way back: L1", "The migrations only add.", "about 4 s",
        "bbbbbbbb", "sha256:12ab", "built now", "0042 add column note to orders L1 the column is nullable",
        "The checks have passed ✅ pass 3 of 3 checks", "docker compose up -d api", "write 3 bytes to /x | `y`",
        "What is done (2 changes)", "deploy/api", "30m, 4 rules",
    ):  # fmt: skip
        assert wanted in found
    assert "<script>" not in rendered(plan(full_plan()))
    assert rendered(plan(full_plan())).count("<li>") == 2


def test_a_plan_that_is_not_whole_says_so() -> None:
    """A first release, a provisional plan, a plan that had to stop, and a plan without changes are told as that."""
    found = plain(
        rendered(plan(full_plan(goes_from="", provisional=True, depends_on="what runs", migrations=[], steps=[])))
    )
    for wanted in ("nothing: this is the first release", "the version is not built yet", "From here on it depends on: what runs.",
                   "None are pending."):  # fmt: skip
        assert wanted in found
    assert "Nothing is changed." in plan(full_plan(steps=[]))
    assert "What is done (1 change)" in plan(full_plan(steps=[Step("x", "write a file", "write 3 bytes")]))


def test_a_plan_that_had_to_stop_says_so_once() -> None:
    """The planner's own sentence is taken as it is."""
    assert plan(full_plan(depends_on="From here on it depends on: look at api.")).count("depends on") == 1


def test_hashes_are_short_and_names_are_whole() -> None:
    """A digest that is the identity is shown once, another one below the name, each with twelve characters."""
    one, other = "sha256:" + "1a" * 32, "sha256:" + "2b" * 32
    images = [Image("api", f"ghcr.io/acme/api@{one}", one), Image("web", f"ghcr.io/acme/web@{other}", one)]
    found = plan(full_plan(images=images, hash="3c" * 32))
    assert "| api | `ghcr.io/acme/api` | `sha256:1a1a1a1a1a1a` |\n" in found
    assert "| web | `ghcr.io/acme/web`<br>`sha256:2b2b2b2b2b2b` | `sha256:1a1a1a1a1a1a` |\n" in found
    assert "`3c3c3c3c3c3c`" in found and "2b" * 7 not in found


@pytest.mark.parametrize("value", ["deadbeef" * 5 + "0", "x" + "ab" * 20, "ab" * 19, "0042_add_note", "AB" * 32])
def test_what_is_no_hash_is_not_cut(value: str) -> None:
    """Only 40 or 64 hexadecimal digits that stand alone are a hash."""
    assert short(value) == value


texts_of_words = st.lists(st.text(st.characters(codec="ascii", exclude_categories=("Cc",)), max_size=30), min_size=1)


@given(texts_of_words)
def test_a_command_in_lines_is_the_same_command(words: list[str]) -> None:
    """Whatever the words are, a shell reads the same ones; no line is longer than a page, but for one long word."""
    exact = shlex.join(words)
    shown = command(exact)
    assert shlex.split(shown.replace("\\\n", "")) == words
    if shown != exact:
        assert all(
            len(line) <= COMMAND_CHARACTERS or len(line.split()) <= 3 or "'" in line for line in shown.split("\n")
        )


def test_a_program_in_a_command_is_told_by_its_length() -> None:
    """The migrations' job carries its whole program; the plan shows the command around it."""
    exact = shlex.join(["python", "-c", "import os\n" * 200, "upgrade", ".", '{"heads": ["0002"]}'])
    assert command(exact) == "python -c '... 200 lines ...' upgrade . '{\"heads\": [\"0002\"]}'"


def test_what_is_no_plain_command_stays_as_it_is() -> None:
    """A redirection, or a sentence, has no lines that a shell would join."""
    for exact in (
        f"pg_dump {'x ' * 60}> /backups/shop.dump",
        f"write 12 bytes to /{'x' * 90} (mode 600)",
        "echo 'open",
    ):
        assert command(exact) == exact


def test_long_text_in_a_cell_is_broken_into_lines() -> None:
    """Prefect's tables break no line: each is short, and the text is the same."""
    given = "All 11 required keys are set in /etc/cleaning/cleaning.env, and 3 of them have the right form."
    found = cell(given, 40)
    assert all(len(line) <= 40 for line in found.split("<br>")) and found.count("<br>") == 2
    assert plain(rendered(table(["A"], [(found,)]))) == f"A {given}"


@pytest.mark.parametrize(
    ("lines", "first"),
    [
        ([], "The runbook has no gates for this environment."),
        ([("pass", True)], "The only gate lets the release through."),
        ([("pass", True), ("attested", True)], "All 2 gates let the release through."),
        ([("pass", True), ("warn", True), ("fail", False)], "All 3 gates let the release through, 2 with a remark."),
        ([("pass", True), ("fail", True), ("blind", True)], "The release stops: g1, g2."),
        ([("pending", True)], "The release stops: g0."),
    ],
)
def test_a_checklist_says_first_whether_it_stops_the_release(lines: list[tuple[Any, bool]], first: str) -> None:
    """The first sentence is the answer; each line has its gate, its state in words, and its evidence."""
    given = [Line(f"g{i}", "asks", state, EVIL, blocks) for i, (state, blocks) in enumerate(lines)]
    markup = rendered(checklist("Checklist", given))
    assert first in plain(markup)
    assert markup.count("<tr>") == (len(lines) + 1 if lines else 0)
    assert "<script>" not in markup


RULES = [
    Rule.model_validate({"id": "errors", "measure": "error_ratio", "above": 0.05}),
    Rule.model_validate({"id": "slow", "measure": "latency_p95", "above": "500ms", "purpose": "page"}),
    Rule.model_validate({"id": "down", "probe": "ready", "failures": 3}),
]
SEEN = Watching(
    Progress(1800, 30, watched_seconds=600, held_seconds=60),
    {
        "errors": RuleRecord("errors", 20, 20, "pass", "error ratio 1 % ≤ 5 %, 3,412 requests"),
        "slow": RuleRecord("slow", 20, 12, "no_data", "12 requests", breached="p95 latency 812 ms > 500 ms"),
    },
    {"ready": ProbeRecord("ready", 20, 1, 2, "pass", EVIL)},
)


def test_a_running_watch_shows_how_much_is_left() -> None:
    """How much is over, how much is left, how long it held, and each verdict with its numbers."""
    found = plain(rendered(watch("Watch", RULES, SEEN, chart_uri="data:image/svg+xml;base64,AAAA")))
    for wanted in (
        "Watching : 10m of 30m, 20m left, held for 1m.",
        "errors rollback ✅ pass error ratio 1 % ≤ 5 %, 3,412 requests 20 of 20",
        "slow page ❌ breach p95 latency 812 ms > 500 ms 12 of 20",
        "down rollback 🚫 blind never judged 0 of 0",
        "20 1 2",
    ):
        assert wanted in found
    assert 'src="data:image/svg+xml;base64,AAAA"' in rendered(
        watch("W", RULES, SEEN, chart_uri="data:image/svg+xml;base64,AAAA")
    )


def test_a_watch_that_is_over_says_first_what_it_came_to() -> None:
    """The conclusion comes first, then the remarks."""
    found = plain(
        rendered(watch("Watch", RULES, SEEN, Conclusion("freeze", "too little traffic", ("probe ready failed",))))
    )
    assert "Frozen : a person must decide: too little traffic. Remarks probe ready failed Rules" in found


def test_the_log_is_the_template_filled_in() -> None:
    """Every line of the runbook's template is there, in its order, and what nobody knows is not ticked."""
    entry = Entry(
        date=NOW, deployer="ann", environment="Production", commit="b" * 40, tag="v1.4.0",
        checks={"ci": (True, "3 of 3"), "backup": (False, "the dump is 0 bytes")},
        times={"start": NOW, "code": NOW + timedelta(seconds=9), "built": None, "end": NOW + timedelta(hours=13)},
        results={"health": "PASS", "smoke": "FAIL: answered 503, expected 200", "services": "All running"},
        issues=[EVIL], rolled_back=True, rollback_reason="error ratio 7.1 % > 5 %",
    )  # fmt: skip
    found = plain(rendered(log(entry)))
    wanted = [
        "Date: 2026-03-01 12:00 UTC", "Deployer: ann", "Environment: Production", "Git commit: " + "b" * 40,
        "Git tag: v1.4.0", "[x] CI passing: 3 of 3", "[ ] Backup taken: no the dump is 0 bytes",
        "[ ] Team notified: unknown not asked", "Start time: 12:00:00", "Code updated: 12:00:09", "Images built: not done",
        "Migrations run: not done", "Services restarted: not done", "Verification complete: not done",
        "End time: 2026-03-02 01:00:00", "Health check: PASS", "Readiness check: not asked",
        "Smoke tests: FAIL: answered 503, expected 200", "Service status: All running", "Required: YES",
        "Reason: error ratio 7.1 % > 5 %",
    ]  # fmt: skip
    places = [found.replace(" :", ":").find(one) for one in wanted]
    assert -1 not in places and places == sorted(places), dict(zip(wanted, places, strict=True))
    assert "<script>" not in rendered(log(entry))


def test_a_way_back_shows_its_evidence_and_what_to_do() -> None:
    """Decision, reason, level, evidence, what was written since, what was done, and the commands to type."""
    given = Rollback(
        release="r1", failed="v1.4.0", back_to="v1.3.0", decided="freeze", why="the migration dropped a column", level="L3",
        evidence=[Evidence(NOW, "rule errors", "error ratio 7.1 % > 5 % for 2m")], done=["traffic is back at v1.3.0"],
        written=[Written("orders", 1234), Written("logs", None)],
        next=["Look at the rows above.", "$ runwright decide shop production --restore"],
    )  # fmt: skip
    found = plain(rendered(rollback(given)))
    for wanted in (
        "Frozen : a person must decide: the migration dropped a column", "L3 A downgrade would lose data.",
        "2026-03-01 12:00 UTC rule errors error ratio 7.1 % > 5 % for 2m", "orders 1,234 logs unknown",
        "traffic is back at v1.3.0", "Look at the rows above. runwright decide shop production --restore",
    ):  # fmt: skip
        assert wanted in found
