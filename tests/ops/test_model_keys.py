"""Key files of the models' signatures, as OpenSSL writes them."""

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from ops.errors import ConfigurationError
from ops.model_keys import create_key_files, signing_key, trusted_keys
from ops.settings import Settings
from tests.conftest import require

FOREIGN = X25519PrivateKey.generate()
FOREIGN_PRIVATE = FOREIGN.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
FOREIGN_PUBLIC = FOREIGN.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def settings_of(signing: Path | None, trusted: Path | None) -> Settings:
    models = {"signing_key_file": signing, "trusted_keys_file": trusted}
    return Settings(models=models)  # type: ignore[arg-type]


@pytest.fixture
def pair(tmp_path: Path) -> Settings:
    """A new pair of key files."""
    files = list(create_key_files(tmp_path).values())
    return settings_of(Path(files[0]), Path(files[1]))


def public_of(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def test_a_new_pair_fits_and_the_private_key_is_for_its_owner_alone(pair: Settings) -> None:
    assert trusted_keys(pair) == [public_of(signing_key(pair))]
    path = pair.models.signing_key_file
    assert path is not None and path.stat().st_mode & 0o777 == 0o600


def test_the_commands_of_the_remedies_make_files_that_are_taken(tmp_path: Path) -> None:
    require("openssl", None if shutil.which("openssl") else "no command of that name")
    signing, trusted = tmp_path / "s.pem", tmp_path / "t.pem"
    run = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(signing)]
    subprocess.run(run, check=True, timeout=30)
    public = ["openssl", "pkey", "-in", str(signing), "-pubout"]
    trusted.write_bytes(subprocess.run(public, check=True, timeout=30, capture_output=True).stdout)
    settings = settings_of(signing, trusted)
    assert trusted_keys(settings) == [public_of(signing_key(settings))]


def test_several_keys_are_trusted_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    parts = [Path(list(create_key_files(tmp_path / n).values())[1]).read_bytes() for n in "ab"]
    both = tmp_path / "both.pem"
    both.write_bytes(b"\n".join(parts))
    assert len(set(trusted_keys(settings_of(None, both)))) == 2


@pytest.mark.parametrize("content", [None, b"", b"x" * 32, FOREIGN_PRIVATE, FOREIGN_PUBLIC])
def test_a_signing_key_that_is_none_is_refused_with_the_remedy(
    content: bytes | None, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"SIGNING_KEY_FILE.*openssl genpkey"):
        signing_key(settings_of(file, None))


@pytest.mark.parametrize(
    "content",
    [None, b"", b"x" * 32, FOREIGN_PUBLIC, FOREIGN_PRIVATE, b"-----BEGIN PUBLIC KEY-----"],
)
def test_trusted_keys_that_are_none_are_refused_with_the_remedy(
    content: bytes | None, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"TRUSTED_KEYS_FILE.*-pubout"):
        trusted_keys(settings_of(None, file))


def test_no_key_file_is_no_silent_default() -> None:
    with pytest.raises(ConfigurationError, match="SIGNING_KEY_FILE is not set; make"):
        signing_key(Settings())
    with pytest.raises(ConfigurationError, match="TRUSTED_KEYS_FILE is not set; make"):
        trusted_keys(Settings())
