"""Jobs that can't be lost: queue, log, worker processes, checkpoints, output."""
