from tests.rpc.test_server import certificates

__all__ = ["certificates"]
