"""Whatever a file holds: it loads, or it is refused in our own words."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from runwright.errors import RunbookError
from runwright.runbook.describe import reference
from runwright.runbook.finding import SHIPPED
from runwright.runbook.loader import load
from tests.fixtures.properties import examples
from tests.unit.runbook.files import RIGHT, wrong

RIGHT_ONES = [
    YAML(typ="safe", pure=True).load(text)
    for text in (RIGHT, reference(), *(file.read_text("utf-8") for file in sorted(SHIPPED.glob("*.yaml"))))
]
JARGON = ("pydantic", "Value error", "type=", "Input should", "str_type", "model_", "Traceback", "<class", "PydanticU")

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        ["", " ", "x", "5m", "${url.x}", "${", "any", "host", "0s", "é", "'", "a: b", "\u2028", "*", "-1", "all"]
    ),
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "get", "kind", "x", "for", "platform"]), inner, max_size=3)
    ),
    max_leaves=5,
)


def spots(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [(*path, key) for key, _ in inner] + [spot for key, value in inner for spot in spots(value, (*path, key))]


@settings(max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_runbook_loads_or_is_refused_in_our_own_words(tmp_path, data):
    """Values exchanged, keys taken away or renamed, anywhere: never a library's exception, never its jargon."""
    damaged = copy.deepcopy(data.draw(st.sampled_from(RIGHT_ONES)))
    for _ in range(data.draw(st.integers(1, 4))):
        spot = data.draw(st.sampled_from(spots(damaged) or [()]))
        if not spot:
            break
        node = damaged
        for part in spot[:-1]:
            node = node[part]
        change = data.draw(st.sampled_from(["value", "remove", "rename"]))
        if change == "value" or isinstance(node, list):
            node[spot[-1]] = data.draw(values)
        else:
            value = node.pop(spot[-1])
            if change == "rename":
                node[f"{spot[-1]}{data.draw(st.sampled_from('sx-'))}"] = value
    file = tmp_path / "shop.yaml"
    file.write_text(json.dumps(damaged))  # JSON is YAML
    try:
        load(file)
    except RunbookError as error:
        message = str(error).replace(str(file), "")
        assert not [word for word in JARGON if word in message], message


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, len(RIGHT)),
    st.integers(0, 12),
    st.binary(max_size=4) | st.sampled_from([b"\t", b"{", b"*", b"&a ", b"!!x ", b"- ", b": ", b"\n"]),
)
def test_damaged_text_loads_or_is_refused_in_our_own_words(tmp_path, at, length, instead):
    """Bytes exchanged anywhere in the file."""
    file = tmp_path / "shop.yaml"
    text = RIGHT.encode()
    file.write_bytes(text[:at] + instead + text[at + length :])
    try:
        load(file)
    except RunbookError as error:
        assert str(file) in str(error)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "change",
    [
        ("docs, get", "docs, json: {" + "a" * 5000 + "[: 1}, get"),
        ("docs, get", "docs, json: {'" + "a.b" * 3000 + "..': 1}, get"),
        ("${url.api}/docs", "${" * 4000),
        ("http://localhost:8000", "http://" + "a.-" * 4000 + " x"),
        ("[DATABASE_URL]}", "[DATABASE_URL], forms: {A: '" + "a+" * 4000 + "b:'}}"),
        ("tier: production", "tier: production\n    refs: '" + "tag:*|" * 4000 + "'"),
    ],
)
def test_our_own_patterns_do_not_run_away(tmp_path, change):
    """A text that was made to keep a regular expression busy is judged like any other."""
    file = tmp_path / "shop.yaml"
    file.write_text(wrong(change))
    with pytest.raises(RunbookError):
        load(file)
