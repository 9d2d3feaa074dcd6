"""What is said of certificates that cannot be used."""

from pathlib import Path

import pytest

from gateway.access.tls import load_certificate
from gateway.settings import GatewaySettings
from services.runtime.errors import FailedPrecondition
from tests.fakes.certificates import make


def load(cert: Path | None, key: Path | None) -> object:
    return load_certificate(
        GatewaySettings(tls_cert=str(cert or ""), tls_key=str(key or ""))
    )


def test_without_files_there_is_no_tls() -> None:
    assert load(None, None) is None


def test_a_certificate_and_its_key_are_taken(tmp_path: Path) -> None:
    pair = make(tmp_path)
    assert load(pair.cert, pair.key) is not None


def test_one_without_the_other_is_named(tmp_path: Path) -> None:
    pair = make(tmp_path)
    with pytest.raises(
        FailedPrecondition, match=r"TLS_KEY: is needed where .*TLS_CERT"
    ):
        load(pair.cert, None)
    with pytest.raises(
        FailedPrecondition, match=r"TLS_CERT: is needed where .*TLS_KEY"
    ):
        load(None, pair.key)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    pair = make(tmp_path)
    with pytest.raises(FailedPrecondition, match=r"TLS_CERT=.*none\.pem: No such"):
        load(tmp_path / "none.pem", pair.key)
    with pytest.raises(FailedPrecondition, match=r"TLS_KEY=.*none\.key: No such"):
        load(pair.cert, tmp_path / "none.key")


def test_files_in_each_others_place_are_named(tmp_path: Path) -> None:
    pair = make(tmp_path)
    with pytest.raises(FailedPrecondition, match=r"TLS_CERT=.*holds no certificate"):
        load(pair.key, pair.cert)
    with pytest.raises(FailedPrecondition, match=r"TLS_KEY=.*holds no private key"):
        load(pair.cert, pair.cert)


def test_a_key_of_another_certificate_is_named(tmp_path: Path) -> None:
    one, other = make(tmp_path, "one"), make(tmp_path, "other")
    with pytest.raises(
        FailedPrecondition, match=r"TLS_KEY=.*other\.key: is not the key of .*one\.pem"
    ):
        load(one.cert, other.key)


def test_an_encrypted_key_is_not_asked_for_on_the_terminal(tmp_path: Path) -> None:
    pair = make(tmp_path, passphrase=b"secret")
    with pytest.raises(FailedPrecondition, match=r"TLS_KEY=.*is encrypted"):
        load(pair.cert, pair.key)


def test_a_damaged_certificate_is_named(tmp_path: Path) -> None:
    pair = make(tmp_path)
    pair.cert.write_text(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    )
    with pytest.raises(FailedPrecondition, match=r"TLS_CERT=.*cannot be used"):
        load(pair.cert, pair.key)
