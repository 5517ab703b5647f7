"""Mutual TLS from PEM files."""

import grpc

from tally.rpc.settings import TlsSettings


def server_credentials(settings: TlsSettings) -> grpc.ServerCredentials:
    """Credentials that refuse, at the handshake, a client that the authority did not sign."""
    certificate, key, authority = _read(settings)
    return grpc.ssl_server_credentials([(key, certificate)], authority, require_client_auth=True)


def channel_credentials(settings: TlsSettings) -> grpc.ChannelCredentials:
    certificate, key, authority = _read(settings)
    return grpc.ssl_channel_credentials(authority, key, certificate)


def _read(settings: TlsSettings) -> tuple[bytes, bytes, bytes]:
    if not (settings.certificate_path and settings.private_key_path and settings.authority_path):
        raise ValueError("TLS is off: no certificate is set")
    return (
        settings.certificate_path.read_bytes(),
        settings.private_key_path.read_bytes(),
        settings.authority_path.read_bytes(),
    )
