"""An engine in a process of its own, for who asks while no job runs.

    python -m learner_service.inside PARENT_PID

Its task comes on standard input; once it serves, it says at which port on standard output.
"""

import sys

from tally.host.parent import end_with_parent


def main() -> None:
    end_with_parent(int(sys.argv[1]))
    # Not before: they bring torch.
    from learner_service.inside.engine_process import run_engine  # noqa: PLC0415
    from learner_service.inside.task import EngineTask  # noqa: PLC0415

    run_engine(EngineTask.model_validate_json(sys.stdin.read()))


if __name__ == "__main__":
    main()
