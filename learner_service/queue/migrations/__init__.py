"""The history of the learner's tables; `learner_service.queue.database` applies it at start."""
