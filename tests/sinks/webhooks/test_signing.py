"""Signatures are those of Standard Webhooks."""

import base64
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.webhooks.signing import read_secret, signed_headers

# The example of the libraries of Standard Webhooks.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE_ID, TIMESTAMP_S = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_known_example_has_its_known_signature() -> None:
    headers = signed_headers([read_secret(SECRET)], MESSAGE_ID, TIMESTAMP_S, BODY)
    assert headers == {
        "webhook-id": MESSAGE_ID,
        "webhook-timestamp": str(TIMESTAMP_S),
        "webhook-signature": SIGNATURE,
    }


def test_openssl_finds_the_same() -> None:
    key = read_secret(SECRET)
    text = f"{MESSAGE_ID}.{TIMESTAMP_S}.".encode() + BODY
    done = subprocess.run(
        ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{key.hex()}", "-binary"],
        input=text,
        capture_output=True,
        check=True,
    )
    headers = signed_headers([key], MESSAGE_ID, TIMESTAMP_S, BODY)
    assert headers["webhook-signature"] == "v1," + base64.b64encode(done.stdout).decode()


@given(st.lists(st.binary(min_size=24, max_size=64), min_size=1, max_size=3), st.binary())
def test_every_secret_signs(keys: list[bytes], body: bytes) -> None:
    both = signed_headers(keys, "id", 1, body)["webhook-signature"].split(" ")
    each = [signed_headers([key], "id", 1, body)["webhook-signature"] for key in keys]
    assert both == each


@given(st.binary(min_size=24, max_size=64))
def test_a_secret_is_read_as_it_was_written(key: bytes) -> None:
    assert read_secret(f"whsec_{base64.b64encode(key).decode()}\n") == key


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_%%%", "secret", "whsec_" + "AAAA" * 4])
def test_a_bad_secret_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="random bytes") as caught:
        read_secret(text)
    assert not text or text == "whsec_" or text not in str(caught.value)
