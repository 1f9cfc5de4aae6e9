"""Reads dashboards into Grafana's own classes and writes them again: what is lost on the way is no option of Grafana's.

`python roundtrip.py FILE...` prints what is lost, and nothing else. It knows the options of each kind of panel, which the
published schema does not.
"""

import json
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard


def lost(before, after, path=""):
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if key in after:
                yield from lost(value, after[key], f"{path}/{key}")
            # What is empty need not be written.
            elif value not in (None, [], {}):
                yield f"{path}/{key} is not known"
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for place, (one, other) in enumerate(zip(before, after)):
            yield from lost(one, other, f"{path}/{place}")
    elif before != after:
        yield f"{path} is {before!r} and becomes {after!r}"


register_default_plugins()
for file in sys.argv[1:]:
    with open(file, encoding="utf-8") as text:
        board = json.load(text)
    again = json.loads(JSONEncoder().encode(Dashboard.from_json(board)))
    for finding in lost(board, again):
        print(f"{file}: {finding}")
