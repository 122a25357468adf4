from __future__ import annotations

import ssl

from trio_stream.follower.trust import system_context


def test_the_systems_authorities_are_read_once() -> None:
    context = system_context()
    assert context is system_context()
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
