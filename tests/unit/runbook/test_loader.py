"""Finding and loading runbooks."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import pytest

from runwright.errors import InputError, RunbookError
from runwright.runbook.finding import SHIPPED, SYSTEMS_VARIABLE, find, own, system_of
from runwright.runbook.loader import load, load_system
from runwright.runbook.nearest import nearest, unknown
from tests.unit.runbook.files import RIGHT, wrong

SHIPPED_SYSTEMS = ["cleanwithsnapshot", "financial-planning", "invoiceme", "money-flow", "receipt-vault-pro"]
HOST = """\
system: shop
source: {repo: .}
components: {app: {}}
environments:
  development:
    tier: development
    target: {platform: host, process: {command: [x]}, directory: data}
    router: {kind: caddy}
verify: {health: [{id: ready, get: "${url.front}/readyz"}]}
"""


@pytest.fixture
def write(tmp_path):
    def _write(text, name="shop.yaml"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    return _write


def test_a_runbook_comes_with_its_path_and_the_hash_of_its_bytes(write):
    """What was loaded can be recognised again."""
    file = write(RIGHT)
    loaded = load(str(file))
    assert loaded.path == file
    assert loaded.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "text, path",
    [
        (".", "{folder}"),
        ("../shop", "{above}/shop"),
        ("code", "{folder}/code"),
        ("~/shop", "{home}/shop"),
        ("/srv/shop", "/srv/shop"),
        ("https://github.com/acme/shop", "https://github.com/acme/shop"),
        ("git@github.com:acme/shop.git", "git@github.com:acme/shop.git"),
        ("ssh://git@host/shop", "ssh://git@host/shop"),
        ("github:acme/shop", "github:acme/shop"),
        ("server:shop.git", "server:shop.git"),
        ("file:///srv/shop", "file:///srv/shop"),
    ],
)
def test_a_local_repository_is_seen_from_the_files_folder(write, text, path):
    """A relative path means the same wherever Runwright is started; an address is left as it is."""
    file = write(HOST.replace("repo: .", f"repo: {text}"))
    known = {"folder": file.parent, "above": file.parent.parent, "home": os.path.expanduser("~")}
    assert load(file).runbook.source.repo == path.format(**known)


def test_a_targets_directory_and_the_backups_are_seen_from_the_files_folder(write):
    """Also on Compose: a folder that depended on where Runwright is started would be another one tomorrow."""
    file = write(HOST)
    assert load(file).runbook.environments["development"].target.directory == str(file.parent / "data")
    file = write(wrong(("directory: /opt/shop}", "directory: here}"), ("/var/backups/shop", "../dumps")))
    book = load(file).runbook
    assert book.environments["staging"].target.directory == str(file.parent / "here")
    assert book.backup.directory == str(file.parent.parent / "dumps")


def test_anchors_merge_keys_and_top_level_extensions_are_for_the_writer(write):
    """`x-` keys hold anchors; a key beside `<<` wins over the merged one."""
    text = wrong(
        ("system: shop", "x-place: &place {tier: staging, block: mine, watch: 3m}\nsystem: shop"),
        ("  staging:\n    tier: staging", "  staging:\n    <<: *place\n    block: other"),
    )
    place = load(write(text)).runbook.environments["staging"]
    assert (place.tier, place.block, place.watch) == ("staging", "other", 180.0)


def test_an_extension_below_the_top_is_a_misspelt_key(write):
    """Only top-level keys may begin with `x-`."""
    with pytest.raises(RunbookError, match="`x-mine` is no key here"):
        load(write(wrong(("  web: {}", "  web: {x-mine: 1}"))))


def test_dates_and_words_are_not_turned_into_something_else(write):
    """YAML 1.2: an unquoted day stays a text, and so does yes."""
    text = wrong(
        (
            "{id: ci, ci: {}}",
            '{id: w, window: {timezone: UTC, days: [MO], from: "09:00", to: "10:00", except_dates: [2026-12-24]}}',
        ),
        ("system: shop", "system: shop\ndescription: yes"),
    )
    book = load(write(text)).runbook
    assert book.gates[0].window.except_dates == ["2026-12-24"]
    assert book.description == "yes"


WARNINGS = {
    "a ratio without for and min_requests": (
        wrong(("for: 2m, min_requests: 50, ", "")),
        "watch.rules `errors`: without `for` and `min_requests` a few bad requests are enough",
    ),
    "branches in production": (
        wrong(("tier: production", "tier: production\n    refs: branch:main")),
        "environments.production.refs: `branch:main` lets a branch into production",
    ),
    "no rule that rolls back": (
        wrong(
            ("failures: 3}", "failures: 3, purpose: page}"), ("min_requests: 50,", "min_requests: 50, purpose: page,")
        ),
        "environments.production: no rule with `purpose: rollback`",
    ),
    "no probes": (
        wrong(
            ('readyz"}', 'readyz", environments: [production]}'),
            ('docs"}', 'docs", environments: [production]}'),
            ("failures: 3}", "failures: 3, environments: [production]}"),
        ),
        "environments.staging: no probe is asked here",
    ),
    "a post that is watched": (
        wrong(("{id: docs, get:", "{id: docs, post:"), ("probe: ready", "probe: docs")),
        "verify.smoke[0]: the rule `down` sends this POST again and again",
    ),
}


@pytest.mark.parametrize("text, said", WARNINGS.values(), ids=WARNINGS)
def test_what_is_allowed_and_risky_is_a_warning(write, text, said):
    """A warning does not stop anything, and says what could go wrong."""
    (warning,) = load(write(text)).warnings
    assert warning.startswith(said)


def test_the_shipped_runbooks_are_found_and_load(monkeypatch):
    """Five systems, each in the file of its name."""
    monkeypatch.delenv(SYSTEMS_VARIABLE, raising=False)
    assert list(find()) == SHIPPED_SYSTEMS
    for name, file in find().items():
        assert load(file).runbook.system == name == file.stem


def test_folders_and_files_of_the_variable_are_searched_too(write, monkeypatch):
    """`RUNWRIGHT_SYSTEMS` is separated as PATH is; hidden files and other suffixes are passed over."""
    one = write(RIGHT.replace("system: shop", "system: one"), "folder/one.yaml")
    write(RIGHT, "folder/.hidden.yaml")
    write("no runbook", "folder/notes.txt")
    two = write(RIGHT.replace("system: shop", "system: two"), "other.yml")
    monkeypatch.setenv(SYSTEMS_VARIABLE, os.pathsep.join([str(one.parent), str(two), ""]))
    assert list(find()) == sorted([*SHIPPED_SYSTEMS, "one", "two"])
    assert load_system("two").path == two


def test_the_runbook_in_the_current_folder_is_found_where_the_variable_is_not_set(write, monkeypatch):
    """`runwright init` writes it there. The variable, if it is set, is all that is looked at."""
    file = write(RIGHT, "runwright.yaml")
    other = write(RIGHT.replace("system: shop", "system: other"), "more/other.yaml")
    monkeypatch.chdir(file.parent)
    monkeypatch.delenv(SYSTEMS_VARIABLE, raising=False)
    assert own() == {"shop": file}
    assert find()["shop"] == file
    monkeypatch.setenv(SYSTEMS_VARIABLE, str(other))
    assert own() == {"other": other}
    monkeypatch.chdir(other.parent)
    monkeypatch.delenv(SYSTEMS_VARIABLE)
    assert own() == {}


def test_ones_own_runbook_is_meant_where_a_shipped_one_has_its_name(write, monkeypatch):
    """A team that adapts a shipped runbook takes it into a folder of its own."""
    file = write(RIGHT.replace("system: shop", "system: invoiceme"))
    monkeypatch.setenv(SYSTEMS_VARIABLE, str(file))
    assert find()["invoiceme"] == file
    assert list(find()) == SHIPPED_SYSTEMS


def test_two_files_of_one_system_are_refused(write, monkeypatch):
    """Which of them is meant, nobody can know."""
    write(RIGHT, "a.yaml")
    file = write(RIGHT, "b.yaml")
    monkeypatch.setenv(SYSTEMS_VARIABLE, str(file.parent))
    with pytest.raises(RunbookError, match=r"Two runbooks are of the system `shop`: .*a\.yaml and .*b\.yaml"):
        find()


def test_a_file_that_is_named_twice_is_one_file(write, monkeypatch):
    """A file inside of a folder that is named too is no second runbook."""
    file = write(RIGHT)
    monkeypatch.setenv(SYSTEMS_VARIABLE, os.pathsep.join([str(file.parent), str(file), str(SHIPPED)]))
    assert find()["shop"] == file


def test_a_broken_file_does_not_hide_the_others(write, monkeypatch):
    """It is listed by its file name, and says what is wrong when it is loaded."""
    file = write("system: [", "broken.yaml")
    monkeypatch.setenv(SYSTEMS_VARIABLE, str(file.parent))
    assert find()["broken"] == file
    with pytest.raises(RunbookError, match=r"broken\.yaml:"):
        load_system("broken")


def test_a_place_that_is_not_there_is_refused(tmp_path, monkeypatch):
    """A misspelt folder would otherwise be systems that nobody finds."""
    monkeypatch.setenv(SYSTEMS_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="nowhere is not there"):
        find()


def test_an_unknown_system_is_refused_with_what_there_is(monkeypatch):
    """The message names the systems, and the one that was probably meant."""
    monkeypatch.delenv(SYSTEMS_VARIABLE, raising=False)
    with pytest.raises(
        InputError, match=r"There is no system `moneyflow`\. Did you mean `money-flow`\? There are: clean"
    ):
        load_system("moneyflow")


def test_a_file_that_is_not_there_names_its_neighbour(write):
    """A misspelt file name is told with the file beside it."""
    file = write(RIGHT)
    with pytest.raises(RunbookError, match=r"There is no file .*shp\.yaml\. Did you mean .*shop\.yaml\?"):
        load(file.with_name("shp.yaml"))
    with pytest.raises(RunbookError, match="is a folder, and a file is meant"):
        load(file.parent)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("system: shop\n", "shop"),
        ("# system: other\nx-note: |\n  system: other\nsystem: shop # ours\n", "shop"),
        ('"system": "shop"\n', "shop"),
        ("{system: shop, source: {repo: .}}\n", "shop"),
        ("name: &n shop\nsystem: *n\n", "shop"),
        ("environments:\n  system: other\n", "book"),
        ("system: [1\n", "book"),
    ],
)
def test_the_system_of_a_file_is_found_however_it_is_written(tmp_path: Path, text: str, name: str) -> None:
    """The file's own name stands for one that has none."""
    file = tmp_path / "book.yaml"
    file.write_text(text)
    assert system_of(file) == name


def test_of_thousands_of_mistakes_the_first_hundred_are_told_and_the_others_counted(tmp_path, monkeypatch):
    """In the order of the file; what is not told costs no words: no suggestion is looked for."""
    looked_for = []

    def counting(given, known):
        looked_for.append(given)
        return nearest(given, known)

    monkeypatch.setattr("runwright.runbook.mistakes.nearest", counting)
    file = tmp_path / "shop.yaml"
    file.write_text(RIGHT + "".join(f"sytem{number}: 1\n" for number in range(5000)))
    with pytest.raises(RunbookError) as caught:
        load(file)
    said = caught.value.what
    assert "has 5,000 mistakes; the first 100 are told here:" in said
    assert [int(n) for n in re.findall(r": sytem(\d+)\n", said)] == list(range(100))
    assert len(looked_for) == 100


@pytest.mark.parametrize(
    ("more", "count"),
    [
        ("x-a: 1\n" * 500, "499 mistakes"),
        ("drill: {every: 35d}\n" + "x-a: 1\n" * 102, "101 mistakes"),
        ("x-a: 1\n" * 101, "100 mistakes:"),
    ],
)
def test_keys_that_are_given_twice_are_counted_too(tmp_path, more, count):
    """They are found while the file is read; up to a hundred all of them are told."""
    file = tmp_path / "shop.yaml"
    file.write_text(RIGHT + more)
    with pytest.raises(RunbookError) as caught:
        load(file)
    assert count in caught.value.what
    assert caught.value.what.count("`x-a` is given twice") == min(100, more.count("x-a") - 1)


def test_what_does_not_fit_together_is_counted_as_well(tmp_path):
    """It is found by looking at the parts side by side, a hundred are told, and a list of many names is cut."""
    gates = "".join(f"  - {{id: g{n}, attest: x, environments: [nowhere]}}\n" for n in range(150))
    rules = "".join(f"    - {{id: r{n}, probe: nosuch, failures: 3}}\n" for n in range(60))
    probes = "".join(f'    - {{id: p{n}, get: "http://x/"}}\n' for n in range(60))
    file = tmp_path / "shop.yaml"
    file.write_text(
        "system: shop\nsource: {repo: github:acme/shop}\ncomponents: {api: {}}\nenvironments:\n  d:\n    tier: development\n"
        "    target: {platform: compose, project: shop, directory: /opt/shop}\n"
        f"verify:\n  health:\n{probes}watch:\n  duration: 30m\n  rules:\n{rules}gates:\n{gates}"
    )
    with pytest.raises(RunbookError) as caught:
        load(file)
    assert "has 210 mistakes; the first 100 are told here:" in caught.value.what
    many = unknown("probe", "q", [f"p{n}" for n in range(60)])
    assert many.endswith("p28, p29 and 30 more.")
