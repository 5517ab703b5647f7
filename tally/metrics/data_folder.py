"""Room that is left for what a service keeps."""

import shutil
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily

from tally.metrics.readings import Readings


def free_space(folder: Path) -> Readings:
    """Of the file system that `folder` is on."""
    return Readings(
        GaugeMetricFamily,
        "tally_data_folder_free_bytes",
        "Free space of the file system that the data folder is on.",
        lambda: {(): shutil.disk_usage(folder).free},
    )
