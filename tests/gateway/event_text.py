"""The text of an event stream, read."""

import json
import re


def parse_events(text: str) -> list[tuple[int, str, dict]]:
    found = re.findall(r"id: (\d+)\nevent: (\w+)\ndata: (.*)\n\n", text)
    return [(int(seq), kind, json.loads(data)) for seq, kind, data in found]
