"""How the monitors reach Kafka."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import faust
import pytest

from ops.settings import Settings
from streams.monitor.client import MonitorApp, credentials


def settings(**kafka: Any) -> Settings:
    return Settings.model_validate({"kafka": kafka})


SASL = {"sasl_mechanism": "SCRAM-SHA-512", "sasl_username": "u", "sasl_password": "secret"}


def test_plaintext_needs_no_credentials() -> None:
    assert credentials(settings()) is None


@pytest.mark.parametrize(("protocol", "encrypted"), [("sasl_plaintext", False), ("sasl_ssl", True)])
def test_sasl_takes_mechanism_user_and_password(protocol: str, encrypted: bool) -> None:
    found = credentials(settings(security_protocol=protocol, **SASL))
    assert found.protocol.value == protocol.upper()
    assert (found.mechanism.value, found.username, found.password) == (
        "SCRAM-SHA-512",
        "u",
        "secret",
    )
    assert (found.ssl_context is not None) == encrypted
    assert "secret" not in repr(found)


def test_ssl_verifies_the_broker() -> None:
    found = credentials(settings(security_protocol="ssl"))
    assert isinstance(found, faust.SSLCredentials)
    assert found.context.verify_mode == ssl.CERT_REQUIRED
    assert found.context.check_hostname


def test_the_app_has_every_broker_its_prefix_and_the_session_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    chosen = settings(
        bootstrap_servers="a:1,b:2", topic_prefix="x.", session_timeout_ms=9_000, partitions=7
    )

    async def build() -> faust.App:
        app = MonitorApp(chosen)
        app.finalize()
        await app.on_first_start()
        return app

    app = asyncio.run(build())
    assert app.conf.id == "x.monitor"
    assert [(url.host, url.port) for url in app.conf.broker] == [("a", 1), ("b", 2)]
    assert app.conf.broker_session_timeout == 9
    assert app.conf.topic_partitions == 7
    assert not app.conf.topic_allow_declare
    assert not app.conf.web_enabled
    assert list(tmp_path.iterdir()) == [], "a container's file system is read-only"
