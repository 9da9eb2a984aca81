"""What a commit's manifests are rendered to, and what of them is no part of the commit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runwright.engine.actions import Output
from runwright.errors import InputError
from runwright.platforms.kubernetes import program
from runwright.platforms.kubernetes.kubectl import Kubectl
from runwright.platforms.kubernetes.render import read, rendered
from runwright.testing.direct import Direct
from tests.unit.platforms.kubernetes.objects import target

ONE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME}\ndata: {day: 2026-11-26, much: 1e3, yes: 'on'}\n"


def render(tree: Path, **manifests: Any) -> list[str]:
    """Return what is rendered of ``tree``, as KIND/NAME."""
    kubectl = Kubectl("here", "shop", program.any_one())
    found = rendered(Direct(), kubectl, target(manifests=manifests), tree)
    return [f"{o['kind']}/{o['metadata']['name']}" for o in found]


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_an_overlay_is_rendered_with_what_it_builds_on(tmp_path: Path) -> None:
    tree = write(
        tmp_path / "tree",
        base__kustomization="resources: [a.yaml]",
        base__a=ONE.replace("NAME", "a"),
        top__kustomization="namePrefix: p-\nresources: [../base]",
    )
    assert render(tree, kustomize="top") == ["ConfigMap/p-a"]


def test_files_and_folders_are_put_together_and_nothing_is_written_into_the_checkout(tmp_path: Path) -> None:
    tree = write(tmp_path / "tree", k8s__b=ONE.replace("NAME", "b"), k8s__deep__c=ONE, one=ONE.replace("NAME", "one"))
    before = sorted(p for p in tree.rglob("*"))
    assert sorted(render(tree, files=["k8s", "one.yaml"])) == ["ConfigMap/b", "ConfigMap/one"]
    assert sorted(p for p in tree.rglob("*")) == before


@pytest.mark.parametrize(
    "resource",
    [
        "https://github.com/acme/base//deploy?ref=main",
        "github.com/acme/base",
        "https://example.com/all.yaml",
        "git@example.com:acme/base.git",
    ],
)
def test_what_may_be_another_thing_tomorrow_is_no_part_of_a_commit(tmp_path: Path, resource: str) -> None:
    tree = write(
        tmp_path / "tree",
        base__kustomization=f"resources: ['{resource}']",
        top__kustomization="resources: [../base]",
    )
    with pytest.raises(InputError, match="from elsewhere") as caught:
        render(tree, kustomize="top")
    assert "40 digits" in caught.value.next


def test_a_link_that_leads_out_of_the_repository_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text(ONE.replace("NAME", "stolen"))
    tree = write(tmp_path / "tree", k8s__a=ONE.replace("NAME", "a"))
    (tree / "k8s" / "b.yaml").symlink_to(secret)
    with pytest.raises(InputError, match="leads out of the repository"):
        render(tree, files=["k8s"])


@pytest.mark.parametrize(
    "files, manifests, what",
    [
        ({"a": ONE}, {"files": ["b"]}, "b is not in this commit"),
        ({"k8s__readme": "", "k8s__kustomization": ""}, {"files": ["k8s"]}, "is a kustomization"),
        ({"k8s__deep__a": ONE}, {"files": ["k8s"]}, "holds no manifests"),
    ],
)
def test_what_is_not_there_is_told(tmp_path: Path, files: dict[str, str], manifests: dict[str, Any], what: str) -> None:
    with pytest.raises(InputError, match=what):
        render(write(tmp_path / "tree", **files), **manifests)


def test_dates_are_text_and_lists_are_taken_apart() -> None:
    text = "kind: List\napiVersion: v1\nitems:\n- " + ONE.replace("NAME", "x").replace("\n", "\n  ")
    (one,) = read(Output(0, text.encode(), b""))
    assert one["data"] == {"day": "2026-11-26", "much": 1000.0, True: "on"}


@pytest.mark.parametrize("text", ["a: [", "- 1", "kind: X", "kind: X\napiVersion: v1\nmetadata: {}", ""])
def test_what_is_no_object_is_told_and_no_traceback(text: str) -> None:
    with pytest.raises(InputError):
        read(Output(0, text.encode(), b""))


@pytest.mark.parametrize(
    "kind, version, name",
    [
        ("--server=https://example.com", "v1", "x"),
        ("ConfigMap", "v1 --context=other", "x"),
        ("ConfigMap", "../v1", "x"),
        ("ConfigMap", "v1", "../../x"),
        ("ConfigMap", "v1", ".."),
        ("ConfigMap", "v1", "a b"),
        ("ConfigMap", "v1", ""),
    ],
)
def test_what_would_be_another_word_for_kubectl_or_another_file_is_no_object(
    kind: str, version: str, name: str
) -> None:
    """The words of manifests are asked of kubectl: none of them is an option, and none leads to another folder."""
    text = json.dumps({"kind": kind, "apiVersion": version, "metadata": {"name": name}})
    with pytest.raises(InputError, match="no word for one"):
        read(Output(0, text.encode(), b""))


@pytest.mark.parametrize("name", ["system:shop", "shop.example.com", "Shop_1"])
def test_names_that_the_cluster_takes_are_taken(name: str) -> None:
    text = json.dumps({"kind": "Role", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": name}})
    assert read(Output(0, text.encode(), b""))


def test_a_chart_that_leads_out_of_the_repository_is_not_rendered(tmp_path: Path) -> None:
    """Helm follows links, and a template may put any file of the chart into a ConfigMap."""
    (tmp_path / "secret").write_text("token: x")
    tree = write(tmp_path / "tree", chart__values="a: 1", chart__files__a="a: 1")
    (tree / "chart" / "files" / "b.yaml").symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match="leads out of the repository"):
        render(tree, helm={"chart": "chart", "release": "shop"})
    (tree / "chart" / "files" / "b.yaml").unlink()
    (tree / "own.yaml").symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match="leads out of the repository"):
        render(tree, helm={"chart": "chart", "release": "shop", "values": ["own.yaml"]})


def test_a_kustomization_that_is_a_link_out_of_the_repository_is_not_rendered(tmp_path: Path) -> None:
    write(tmp_path / "other", kustomization="resources: [a.yaml]", a=ONE)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "k8s").symlink_to(tmp_path / "other")
    with pytest.raises(InputError, match="leads out of the repository"):
        render(tmp_path / "tree", kustomize="k8s")


@pytest.mark.parametrize("last", ["*h", "[*h, *h]"])
def test_aliases_that_repeat_each_other_are_refused_before_they_are_written_out(last: str) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in zip("abcdefg", "bcdefgh", strict=True)]
    text = "kind: ConfigMap\napiVersion: v1\nmetadata: {name: x}\n" + "\n".join([*lines, f"z: {last}"])
    with pytest.raises(InputError, match="repeat each other"):
        read(Output(0, text.encode(), b""))


def test_a_value_that_holds_itself_is_refused() -> None:
    text = "kind: ConfigMap\napiVersion: v1\nmetadata: {name: x}\na: &a [*a]"
    with pytest.raises(InputError, match="repeat each other"):
        read(Output(0, text.encode(), b""))
