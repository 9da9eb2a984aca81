"""Which containers of a colour go together, and by which names the switch reaches some of them: on tables."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from runwright.engine.actions import Output
from runwright.platforms.compose.colour_file import colour_file
from runwright.platforms.compose.connections import count
from runwright.platforms.compose.containers import Container
from runwright.platforms.compose.rows import Place, layout, names, place_of, rows_of
from runwright.platforms.shape import Rows

TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 020014AC:1F40 030014AC:D431 01 00000000:00000000 00:00000000 00000000     0        0 2
   2: 020014AC:1F40 030014AC:D432 06 00000000:00000000 00:00000000 00000000     0        0 3
   3: 020014AC:9C40 040014AC:1F40 01 00000000:00000000 00:00000000 00000000     0        0 4
"""
TCP6 = """  sl  local_address                         remote_address                        st
   0: 0000000000000000FFFF0000020014AC:1F40 0000000000000000FFFF0000030014AC:D433 01 0
"""


def made(slot: str, *places: str, service: str = "web", release: str = "") -> list[Container]:
    return [
        Container(f"{service}{slot}{i}", f"{service}-{slot}-{i}", service, "i", "running", slot=slot, row=place, release=release)
        for i, place in enumerate(places)
    ]  # fmt: skip


@pytest.mark.parametrize("mine", [1, 2, 3])
def test_a_part_is_never_empty_and_each_row_has_a_door_of_its_own(mine: int) -> None:
    """While the first rows are new and the others old, each service has some of both; who asks for what comes next gets one alone."""
    rows = 3
    known = {row: set(names("web", "green", Place(row, mine, rows))) for row in range(1, mine + 1)}
    for k in range(1, rows):
        assert [row for row, has in known.items() if f"web-green-to-{k}" in has] == list(range(1, min(k, mine) + 1))
        begins = [row for row, has in known.items() if f"web-green-from-{k + 1}" in has]
        assert begins == (list(range(k + 1, mine + 1)) or [mine])
        assert len([row for row, has in known.items() if f"web-green-after-{k}" in has]) == 1
    assert all("web-green" in has for has in known.values())
    assert names("web", "green", None) == ["web-green"]


@pytest.mark.parametrize(
    ("mine", "row", "going"), [(3, 1, [1]), (3, 2, [1, 2]), (3, 3, [1, 2, 3]), (1, 1, []), (1, 2, []), (1, 3, [1])]
)
def test_the_last_old_one_of_a_service_goes_with_the_last_row(mine: int, row: int, going: list[int]) -> None:
    """Until then it gets the requests that are for the old version."""
    rows = Rows(3, row)
    places = [Place(one, mine, 3) for one in range(1, mine + 1)]
    assert [place.row for place in places if place.within(rows)] == going
    before = [place.row for place in places if place.within(replace(rows, row=row - 1))] if row > 1 else []
    assert [place.row for place in places if place.goes_with(rows)] == [one for one in going if one not in before]


@pytest.mark.parametrize(
    ("there", "count"),
    [
        (made("blue", "1/3/3", "2/3/3", "3/3/3"), 3),
        ([*made("blue", "1/2/2", "2/2/2"), *made("blue", "1/1/2", service="api")], 2),
        (made("blue", "1/3/3", "3/3/3"), 0),  # somebody removed one
        (made("blue", "", ""), 0),  # it was started all at once
        (made("blue", "1/2/2", "2/2/2", ""), 0),
        ([*made("blue", "1/1/1"), *made("blue", "1/1/2", service="api")], 0),
        ([], 0),
    ],
)
def test_what_is_not_whole_goes_at_once(there: list[Container], count: int) -> None:
    """Else fewer than before could serve for a moment."""
    assert rows_of(there) == count


def test_a_release_has_as_many_rows_as_what_serves_and_keeps_them() -> None:
    """Also when some of the old ones are stopped already; and where what serves is in no colour yet."""
    old = made("blue", "1/3/3", "2/3/3", "3/3/3")
    assert layout([], old, {"web": 1}, enters=False) == Rows(3, 1, {"web": 3}, old_apart=True)
    assert layout(made("green", "1/3/3"), old, {"web": 2}, enters=False) == Rows(3, 1, {"web": 3}, old_apart=True)
    assert layout([], made("blue", "", ""), {"web": 2}, enters=False) == Rows(2, 1, {"web": 2}, old_apart=False)
    assert layout([], [], {"web": 2, "api": 1}, enters=True) == Rows(2, 1, {"web": 2, "api": 1}, old_apart=True)


def test_the_file_of_a_row_names_its_place() -> None:
    """By a label, and by the names on the network between; by no name on the user's networks."""
    config = {"services": {"web": {"image": "i"}}, "networks": {"default": {"name": "d"}}}
    made = json.loads(colour_file(config, {"web": Place(2, 2, 2)}, "green", {}, "net"))["services"]["web-green"]
    assert made["labels"]["runwright.row"] == "2/2/2"
    assert made["networks"]["runwright"]["aliases"] == ["web-green", "web-green-from-2", "web-green-after-1"]
    assert made["networks"]["default"] is None
    assert place_of(Container("1", "n", "web", "i", "running", row="2/2/2")) == Place(2, 2, 2)
    assert place_of(Container("1", "n", "web", "i", "running", row="odd")) is None


@pytest.mark.parametrize(
    ("text", "open_on"),
    [(TCP, 1), (TCP + TCP6, 2), ("OCI runtime exec failed: exec failed: cat: executable file not found\n", None)],
)
def test_what_is_open_is_read_from_the_kernels_tables(text: str, open_on: int | None) -> None:
    """Connections that clients have to the port; neither who listens, nor what is closed, nor what the container asks of others."""
    assert count(Output(0, text.encode(), b""), 8000) == open_on
