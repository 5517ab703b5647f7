"""What Ray gives one attempt at a job: room for every share, together or not at all.

Everything here waits for Ray, and is called from threads.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, cast

import ray
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from learner_service.errors import ClusterUnavailable
from learner_service.ray_cluster.ray_host import Node, RayHost
from tally.rpc.release import installed_release

_LOOK_SECONDS = 1.0
# A share that runs, a stop, and what Ray asks meanwhile.
_THREADS = 4


class Reservation:
    """A placement group with a bundle for each share, and an actor in each; until `free`."""

    def __init__(self, bundles: Sequence[dict[str, float]]) -> None:
        self._bundles = bundles
        self._group: PlacementGroup | None = None
        self.hosts: list[Any] = []

    def wait(self, is_over: Callable[[], bool]) -> bool:
        """Whether there is room: as long as Ray needs to find it or to add nodes, or until it is
        over."""
        group = self._group = placement_group(list(self._bundles), strategy="PACK")
        while not is_over():
            if group.wait(_LOOK_SECONDS):
                return True
        return False

    def start_hosts(self) -> Node:
        """Starts the actors; the node of the first. Raises ClusterUnavailable."""
        self.hosts = [self._start(number) for number in range(len(self._bundles))]
        nodes: list[Node] = ray.get([host.describe.remote() for host in self.hosts])
        for node in nodes:
            if node.release != installed_release():
                raise ClusterUnavailable(
                    f"a node of the Ray cluster has release {node.release} and the learner "
                    f"{installed_release()}; install the same"
                )
        return nodes[0]

    def _start(self, number: int) -> Any:
        bundle, group = self._bundles[number], cast(PlacementGroup, self._group)
        actor: Any = ray.remote(RayHost)
        return actor.options(
            num_cpus=bundle["CPU"],
            num_gpus=bundle.get("GPU", 0),
            max_restarts=0,
            max_concurrency=_THREADS,
            scheduling_strategy=PlacementGroupSchedulingStrategy(
                placement_group=group, placement_group_bundle_index=number
            ),
        ).remote()

    def free(self) -> None:
        """Ends what runs in it, too."""
        hosts, group = self.hosts, self._group
        self.hosts, self._group = [], None
        with suppress(Exception):  # Ray may be gone, and this with it
            for host in hosts:
                ray.kill(host)
            if group is not None:
                remove_placement_group(group)
