"""Where the metrics of a stack are read, in a file that Prometheus takes targets from.

Its ports are others at each start, and Prometheus reads the file again when it changes:

    scrape_configs:
      - job_name: tally
        file_sd_configs: [{files: [/path/to/tally-data/metrics-targets.json]}]
"""

import json
from collections.abc import Mapping
from pathlib import Path

from tally.host.whole_file import write_whole

_NAME = "metrics-targets.json"


def write_metrics_targets(data_dir: Path, addresses: Mapping[str, str]) -> None:
    """`addresses`: host:port by the name of the process, such as `rollout-2`."""
    targets = [
        {"targets": [address], "labels": {"job": f"tally-{name.partition('-')[0]}"}}
        for name, address in addresses.items()
    ]
    write_whole(data_dir / _NAME, json.dumps(targets, indent=2) + "\n", sync=False)
