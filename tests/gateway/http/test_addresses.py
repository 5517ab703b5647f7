"""Whom limits take for one sender."""

import pytest

from gateway.http.addresses import sender_address


@pytest.mark.parametrize(
    ("host", "sender"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1:2:3", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
    ],
)
def test_a_network_of_ipv6_is_one_sender(host, sender):
    assert sender_address({"client": (host, 1)}) == sender


def test_a_socket_without_an_address_is_one_sender():
    assert sender_address({"client": None}) == ""
