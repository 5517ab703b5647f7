"""A Ray cluster of two nodes on this machine, as a process: the second can be killed.

    python -m tests.learner_service.ray_cluster.ray_nodes CPUS CLIENT_PORT

says "ready" once both are there, and "killed" once it has done as a line "kill" asks; it ends with
its standard input.
"""

import sys
from typing import Any

from ray.cluster_utils import Cluster

from tally.cli.stack.ports import free_ports

OBJECT_STORE_BYTES = 100 * 1024**2
# Those that a node waits for at its start if it is not told them, for 15 s at most.
PORTS = (
    "dashboard_agent_listen_port",
    "metrics_agent_port",
    "metrics_export_port",
    "runtime_env_agent_port",
)


def node(cpus: int) -> dict[str, Any]:
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    return {"num_cpus": cpus, "object_store_memory": OBJECT_STORE_BYTES, **ports}


def main() -> None:
    cpus, client_port = map(int, sys.argv[1:])
    head = node(cpus) | {"ray_client_server_port": client_port, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    second = cluster.add_node(**node(cpus))
    cluster.wait_for_nodes()
    say("ready")
    for line in sys.stdin:
        if line == "kill\n":
            cluster.remove_node(second, allow_graceful=False)
            say("killed")
    cluster.shutdown()


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
