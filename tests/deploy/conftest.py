from tests.tally.rpc.test_server import certificates

__all__ = ["certificates"]
