"""What answers look like when they are right, and the ways in which they are known to go wrong."""

from __future__ import annotations

import json
from typing import Any


def _vector(*values: Any) -> bytes:
    result = [{"metric": {}, "value": value} for value in values]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()


PAGE = """# TYPE http_requests_total counter
http_requests_total{{status="200"}} {0}
http_requests_total{{status="500"}} {1}
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{{le="0.1"}} {0}
http_request_duration_seconds_bucket{{le="{2}"}} {1}
http_request_duration_seconds_bucket{{le="+Inf"}} {0}
process_start_time_seconds 1
"""
PAGES = [
    "\0".join((PAGE.format(1, 1, "0.5"), PAGE.format(9, bad, le))).encode()
    for bad, le in (
        ("3", "0.5"),
        ("3", "abc"),
        ("-30", "1"),
        ("NaN", "NaN"),
        ("1e999", "1e400"),
        ("1e308", "-1"),
        ("0", ""),
    )
]
NUMBERS = ("0.2", "-0.5", "NaN", "+Inf", "-Inf", "1.5", "true", "", "9" * 5000, True, 0.7, None, [])
SEEDS: tuple[bytes, ...] = (
    *(_vector([1, number]) for number in NUMBERS),
    _vector(),
    _vector([1, "1"], [1, "2"]),
    _vector(""),
    _vector([1]),
    b'{"status":"success","data":{"resultType":"scalar","result":[1,"0.7"]}}',
    b'{"status":"success","data":{"resultType":"string","result":"x7"}}',
    b'{"status":"error","error":"\\u001b[2J"}',
    *PAGES,
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"error":' * 100_000,
    b"1" * 5000,
    b'{"value":' + b"1" * 5000 + b"}",
    b'{"value": 1e999, "data": "2026-03-01", "name": "' + b"a" * 9000 + b'!", "x": NaN}',
    '{"value": "\x9b2J", "name": "\\ud800", "result": ["\u202e\x85\x1b[2J"]}'.encode(),
    b"<html><body>Sorry</body></html>",
    b"",
    b"null",
    b"true",
    b"\xff\xfe\x00",
    b"\x1f\x8b\x08\x00",
    b'{"Name":"x","CPUPerc":"inf%","MemPerc":"NaN%"}',
    b'{"Name":"x","CPUPerc":"-5%","MemPerc":"3%"}',
    b'{"Name":null,"CPUPerc":5,"MemPerc":true}',
    b'{"total_count":1,"check_runs":[{"id":1,"name":"a","status":"completed","conclusion":"success"}],"statuses":[]}',
    b'{"total_count":"x","check_runs":{"a":1},"statuses":null}',
    b'{"Client":{"Version":"24"},"Server":{"Version":"' + b"9" * 5000 + b'.1"}}',
    b"git version 2.40.1\x1b[31m",
    b'export A=\'x\'\nDB_PASS="${A}${\nKEY: y\nJSON={"password": "x"}',
)
