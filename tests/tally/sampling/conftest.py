from tests.rollout_service.conftest import _one_thread, engine, reference, service

__all__ = ["_one_thread", "engine", "reference", "service"]
