"""The learner's connection to the Ray cluster, made when it is needed and when it is lost."""

import logging
import threading

import ray

from learner_service.errors import ClusterUnavailable

_log = logging.getLogger(__name__)


class RayConnection:
    """For several threads."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._lock = threading.Lock()

    def ensure(self) -> None:
        """Returns once there is one. Raises ClusterUnavailable."""
        with self._lock:
            if ray.is_initialized():
                return
            try:
                ray.shutdown()  # what is left of one that is lost
                ray.init(self._address, log_to_driver=False, configure_logging=False)
            except Exception as error:  # Ray has many kinds, and names none of them
                raise ClusterUnavailable("the Ray cluster does not answer") from error
            _log.info("connected to the Ray cluster")
