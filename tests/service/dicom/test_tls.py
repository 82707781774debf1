"""The listener over TLS, against programs and bytes that keep none of our rules."""

import hashlib
import os
import shlex
import socket
import ssl
import subprocess
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from service.dicom.acceptor.negotiation import Negotiation
from service.dicom.acceptor.upper_layer import UpperLayer
from service.intake import Intake, Reception
from service.ledger.admission import Receipt
from service.security.passwords import write
from service.security.tls import PeerCertificate
from service.vocabulary.errors import SettingsInvalid
from tests.certificates import Authority, Issued
from tests.documents import blocks
from tests.fakes import cheap_user
from tests.invariants import Invariant
from tests.phantoms import chest
from tests.phantoms import write as write_instance
from tests.servers import wait_until
from tests.service.dicom.raw_scu import (
    CR,
    EXPLICIT,
    Ended,
    RawAssociation,
    association_request,
    data_pdu,
    header,
    store_command,
)
from tests.service.listening import Site, listening

SUCCESS = 0x0000


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def own(authority: Authority) -> Issued:
    return authority.issue("auscult")


@pytest.fixture(scope="module")
def modality(authority: Authority) -> Issued:
    return authority.issue("modality")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Issued:
    """Give a certificate of an authority that nobody here trusts."""
    return Authority(tmp_path_factory.mktemp("stranger"), "other").issue("stranger")


@contextmanager
def secure(
    folder: Path, authority: Authority, own: Issued, tls: dict[str, Any] | None = None, **more: Any
) -> Iterator[Site]:
    """Run a listener with a port for TLS beside the plain one; `tls` adds settings."""
    options = {**own.settings(), "ca": str(authority.ca), "port": 0} | (tls or {})
    with listening(folder, tls=options, **more) as site:
        yield site


def client(authority: Authority, shown: Issued | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.ca))
    if shown is not None:
        context.load_cert_chain(shown.certificate, shown.key)
    return context


def store(site: Site, tls: ssl.SSLContext | None, uid: str = "2.25.1001", **more: Any) -> int:
    port = site.port if tls is None else site.tls_port
    with RawAssociation(port, tls=tls, **more) as assoc:
        return assoc.store(header(uid), sop_instance_uid=uid).status


@pytest.mark.parametrize("profile", ["+py", "+px", "+pz"])
def test_dcmtk_s_storescu_delivers_over_each_profile_of_its_own(
    tmp_path: Path, authority: Authority, own: Issued, modality: Issued, program: Callable[[str], str], profile: str
) -> None:
    write_instance(chest(rows=300, columns=200), tmp_path / "image.dcm")
    with secure(tmp_path / "data", authority, own) as site:
        command = [program("storescu"), "+tls", str(modality.key), str(modality.certificate), "+cf", str(authority.ca)]
        command += [profile, "-aec", "AUSCULT", "127.0.0.1", str(site.tls_port), str(tmp_path / "image.dcm")]
        sent = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert sent.returncode == 0, sent.stderr
        assert len(site.instances) == 1


def test_a_certificate_of_an_unknown_authority_or_none_is_refused_and_told_with_its_setting(
    tmp_path: Path, authority: Authority, own: Issued, stranger: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    with secure(tmp_path, authority, own) as site:
        for shown in (stranger, None):
            # Over TLS 1.3 a client learns of the refusal when it reads.
            with pytest.raises((OSError, Ended)):
                store(site, client(authority, shown))
        assert site.instances == []
        wait_until(lambda: caplog.text.count("listener.tls.ca names the authorities") == 2, "both are told", 5)
    assert "connection from 127.0.0.1 refused: TLS:" in caplog.text
    assert "peer did not return a certificate" in caplog.text


def test_peers_may_stay_anonymous_where_the_settings_allow_it(
    tmp_path: Path, authority: Authority, own: Issued, stranger: Issued
) -> None:
    with secure(tmp_path, authority, own, {"require_client_certificate": False}) as site:
        assert store(site, client(authority, None)) == SUCCESS
        with pytest.raises((OSError, Ended)):
            store(site, client(authority, stranger))


@pytest.mark.parametrize(
    ("options", "is_accepted"),
    [
        (["-tls1_3"], True),
        (["-tls1_2"], True),
        (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], True),
        (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], False),
        (["-tls1", "-cipher", "ALL:@SECLEVEL=0"], False),
        (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256:AES128-SHA256:@SECLEVEL=0"], False),
        (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA:AES256-SHA:@SECLEVEL=0"], False),
        (["-tls1_2", "-cipher", "aNULL:eNULL:@SECLEVEL=0"], False),
    ],
)
def test_only_what_the_profile_allows_is_negotiated(
    tmp_path: Path,
    authority: Authority,
    own: Issued,
    modality: Issued,
    program: Callable[[str], str],
    options: list[str],
    is_accepted: bool,
) -> None:
    with secure(tmp_path, authority, own) as site:
        command = [program("openssl"), "s_client", "-connect", f"127.0.0.1:{site.tls_port}", *options]
        command += ["-CAfile", str(authority.ca), "-cert", str(modality.certificate), "-key", str(modality.key)]
        said = subprocess.run(command, input=b"", capture_output=True, timeout=20, check=False)
    assert (b"Verify return code: 0 (ok)" in said.stdout and said.returncode == 0) == is_accepted, said.stdout


def _drip(connection: socket.socket) -> None:
    """Send a little of a ClientHello that never ends."""
    with suppress(OSError):
        connection.sendall(b"\x16\x03\x01\x02\x00\x01")


@pytest.mark.proves(Invariant.NO_CONNECTION_KEEPS_OTHERS_OUT)
def test_silent_dripping_and_plain_connections_keep_nobody_out_and_are_closed(
    tmp_path: Path, authority: Authority, own: Issued, modality: Issued
) -> None:
    with (
        secure(
            tmp_path, authority, own, acse_timeout=1.5, maximum_associations=2, maximum_associations_per_peer=2
        ) as site,
        ExitStack() as stack,
    ):

        def knock() -> socket.socket:
            return stack.enter_context(socket.create_connection(("127.0.0.1", site.tls_port), timeout=10))

        silent, dripping, plain = ([knock() for _ in range(number)] for number in (20, 5, 5))
        for connection in plain:
            connection.sendall(association_request([(1, CR, (EXPLICIT,))]))
        for _ in range(20):
            knock().close()  # as a health check of TCP does
        reset = knock()
        reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        reset.close()
        started, trusted = time.monotonic(), client(authority, modality)
        for number in range(3):
            for connection in dripping:
                _drip(connection)
            assert store(site, trusted, f"2.25.{number + 1}") == SUCCESS
        assert store(site, None, "2.25.9") == SUCCESS, "nor from the plain port"
        assert time.monotonic() - started < 5
        for connection in (silent[0], silent[-1], dripping[0], plain[0]):
            with suppress(ConnectionError):
                while connection.recv(100):  # an alert, perhaps
                    pass
        wait_until(lambda: site.listener._entity.connections == [], "every thread has ended", 5)


def test_an_object_of_many_megabytes_arrives_as_it_was_sent(
    tmp_path: Path, authority: Authority, own: Issued, modality: Issued
) -> None:
    pixels = os.urandom(1 << 20) * 24
    data = header() + b"\xe0\x7f\x10\x00OW\0\0" + len(pixels).to_bytes(4, "little") + pixels
    with secure(tmp_path, authority, own) as site:
        with RawAssociation(site.tls_port, tls=client(authority, modality)) as assoc:
            answer = assoc.store(data, fragment_bytes=assoc.maximum_pdu_bytes - 6)
        assert answer.status == SUCCESS
        assert hashlib.sha256(site.stored()[-len(data) :]).digest() == hashlib.sha256(data).digest()


def test_many_pdus_in_one_record_and_one_pdu_in_many_records_are_both_read(
    tmp_path: Path, authority: Authority, own: Issued, modality: Issued
) -> None:
    def message(number: int) -> bytes:
        uid = f"2.25.{number}"
        return data_pdu(1, 0x03, store_command(CR, uid)) + data_pdu(1, 0x02, header(uid))

    with secure(tmp_path, authority, own) as site:
        with RawAssociation(site.tls_port, tls=client(authority, modality)) as assoc:
            assoc.connection.sendall(b"".join(message(number) for number in range(1, 21)))
            assert [assoc.response().status for _ in range(20)] == [SUCCESS] * 20
            for byte in message(21):
                assoc.connection.sendall(bytes([byte]))
            assert assoc.response().status == SUCCESS
            assoc.release()
        assert len(site.instances) == 21


def test_a_change_of_keys_while_an_object_is_stored_delays_no_answer(
    tmp_path: Path,
    authority: Authority,
    own: Issued,
    modality: Issued,
    program: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with secure(tmp_path, authority, own, dimse_timeout=20) as site:
        admit = site.intake.admit

        def admit_slowly(_: Intake, reception: Reception) -> Receipt:
            time.sleep(0.5)
            return admit(reception)

        monkeypatch.setattr(Intake, "admit", admit_slowly)
        command = [program("openssl"), "s_client", "-connect", f"127.0.0.1:{site.tls_port}", "-tls1_3", "-noservername"]
        command += ["-CAfile", str(authority.ca), "-cert", str(modality.certificate), "-key", str(modality.key)]
        with (
            (tmp_path / "said").open("wb") as errors,
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors) as peer,
        ):
            assert peer.stdin is not None

            def send(data: bytes) -> None:
                assert peer.stdin is not None
                peer.stdin.write(data)
                peer.stdin.flush()

            send(association_request([(1, CR, (EXPLICIT,))]))
            wait_until(lambda: any(c.is_established for c in site.listener._entity.connections), "associated", 10)
            send(data_pdu(1, 0x03, store_command(CR, "2.25.1")) + data_pdu(1, 0x02, header("2.25.1")))
            time.sleep(0.2)
            send(b"k\n")  # s_client's own command: change the keys
            started = time.monotonic()
            wait_until(lambda: len(site.instances) == 1, "stored", 10)
            time.sleep(0.1)
            assert peer.stdout is not None
            os.set_blocking(peer.stdout.fileno(), False)
            seen = b""

            def answered() -> bool:
                nonlocal seen
                seen += peer.stdout.read() or b""  # type: ignore[union-attr]
                return b"\x20\x80\x00\x00" in seen or b"\x01\x80" in seen  # Command Field C-STORE-RSP

            wait_until(answered, "the response", 5)
            assert time.monotonic() - started < 5
            peer.terminate()
        assert "KEYUPDATE" in (tmp_path / "said").read_text()


def test_new_certificates_count_from_the_next_connection_and_broken_ones_never(
    tmp_path: Path, authority: Authority, modality: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    first, second = authority.issue("first"), authority.issue("second")
    files = Issued(folder / "own.pem", folder / "own.key")

    def put(issued: Issued) -> None:
        for source, target in zip(issued, files, strict=True):
            (folder / "new").write_bytes(source.read_bytes())
            (folder / "new").replace(target)

    def shown() -> str:
        with RawAssociation(site.tls_port, tls=client(authority, modality)) as assoc:
            assert isinstance(assoc.connection, ssl.SSLSocket)
            subject: Any = (assoc.connection.getpeercert() or {})["subject"]
            return dict(pair for part in subject for pair in part)["commonName"]  # type: ignore[no-any-return]

    put(first)
    with (
        secure(tmp_path / "data", authority, files) as site,
        RawAssociation(site.tls_port, tls=client(authority, modality)) as lasting,
    ):
        assert shown() == "first"
        put(second)
        assert shown() == "second"
        files.certificate.write_text("-----BEGIN CERTIFICATE-----\nbroken")
        assert shown() == shown() == "second"
        files.certificate.write_bytes(first.certificate.read_bytes())
        assert shown() == "second", "its key is another's"
        put(first)
        assert shown() == "first"
        assert lasting.store(header()).status == SUCCESS
    assert caplog.text.count("what was read before stays in use until the files are put right") == 2
    assert f"listener.tls.certificate = {files.certificate}" in caplog.text
    assert "does not belong to the certificate" in caplog.text


def test_an_ae_title_is_used_by_its_own_certificate_alone_and_by_no_plain_connection(
    tmp_path: Path, authority: Authority, own: Issued, modality: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    other = authority.issue("other", "site.hospital.example")
    der = ssl.PEM_cert_to_DER_cert(
        modality.certificate.read_text().partition("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"
    )
    fingerprint = hashlib.sha256(der).hexdigest()
    allowed = {
        "CT1": ["SHA256:" + ":".join(fingerprint[at : at + 2] for at in range(0, 64, 2)).upper()],
        "WARD": ["Site.hospital.example"],
    }
    with secure(tmp_path, authority, own, {"allowed_certificates": allowed}) as site:
        assert store(site, client(authority, modality), calling="CT1") == SUCCESS
        assert store(site, client(authority, other), calling="WARD") == SUCCESS
        assert store(site, None, calling="ANOTHER") == SUCCESS, "the plain port is as open as it was"
        for calling, tls in [("CT1", other), ("WARD", modality), ("ANOTHER", modality), ("CT1", None)]:
            with pytest.raises(Ended, match="PDU type 3: 00010103"):
                store(site, None if tls is None else client(authority, tls), calling=calling)
        wait_until(lambda: caplog.text.count("listener.tls.allowed_certificates does not name") == 4, "all are told", 5)
    assert (
        f"association of 'WARD' to 'AUSCULT' from 127.0.0.1 refused (certificate sha256:{fingerprint})" in caplog.text
    )


def test_where_users_are_named_each_association_needs_one(
    tmp_path: Path, authority: Authority, own: Issued, modality: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    users = tmp_path / "users"
    write(users, {"ct": cheap_user("correct horse battery")})
    with secure(tmp_path / "data", authority, own, {"only": True}, users=str(users)) as site:
        trusted = client(authority, modality)
        right = ("ct", "correct horse battery")
        assert store(site, trusted, user=right) == SUCCESS
        for user in (None, ("ct", "wrong"), ("nobody", "correct horse battery")):
            with pytest.raises(Ended, match="PDU type 3: 00010101"):
                store(site, trusted, user=user)
        for _ in range(3):
            with pytest.raises(Ended, match="PDU type 3: 00010101"):
                store(site, trusted, user=("ct", "guess"))
        with pytest.raises(Ended, match="PDU type 3: 00020101"):  # transient: asks to come again
            store(site, trusted, user=("ct", "guess"))
        assert store(site, trusted, user=right) == SUCCESS, "whoever was let in before is not held up by guesses"
    assert "correct horse" not in caplog.text
    assert "guess" not in caplog.text
    assert "it brings no user name with a passcode" in caplog.text


@pytest.mark.parametrize("lag", [0.0, 0.3], ids=["we are the first", "the peer is the first"])
def test_a_refused_peer_that_hangs_up_at_once_is_told_of_with_its_certificate(
    tmp_path: Path,
    authority: Authority,
    own: Issued,
    modality: Issued,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    lag: float,
) -> None:
    reject, look = Negotiation.send_reject, UpperLayer._is_transport_event

    def look_late(self: UpperLayer) -> bool:
        if self.state_machine.current_state == "Sta13":
            time.sleep(lag)
        return look(self)

    def reject_and_lose(self: Negotiation, *code: Any) -> None:
        reject(self, *code)
        wait_until(lambda: getattr(self.assoc.dul.socket, "socket", None) is None, "the connection is gone", 5)

    monkeypatch.setattr(Negotiation, "send_reject", reject_and_lose)
    monkeypatch.setattr(UpperLayer, "_is_transport_event", look_late)
    users = tmp_path / "users"
    write(users, {"ct": cheap_user("correct horse battery")})
    with secure(tmp_path / "data", authority, own, {"only": True}, users=str(users)) as site:
        with pytest.raises(Ended, match="PDU type 3"):
            store(site, client(authority, modality))
        wait_until(lambda: "refused (certificate sha256:" in caplog.text, "it is told", 5)


@pytest.mark.proves(Invariant.NOBODY_IN_BY_A_BROKEN_CHECK)
def test_an_access_check_that_breaks_lets_nobody_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with listening(tmp_path) as site:
        monkeypatch.setattr(type(site.listener._entity.terms.access), "objection", lambda *_: 1 / 0)
        with pytest.raises(Ended, match="PDU type 3: 00020101"):
            RawAssociation(site.port)
        wait_until(lambda: "could not be checked (ZeroDivisionError)" in caplog.text, "it is told", 5)


def test_tls_alone_opens_no_plain_port(tmp_path: Path, authority: Authority, own: Issued, modality: Issued) -> None:
    with secure(tmp_path, authority, own, {"only": True}) as site:
        assert site.listener.port is None
        assert store(site, client(authority, modality)) == SUCCESS


def test_a_stop_ends_connections_whose_handshake_has_not_ended(
    tmp_path: Path, authority: Authority, own: Issued
) -> None:
    with (
        secure(tmp_path, authority, own) as site,
        socket.create_connection(("127.0.0.1", site.tls_port), timeout=10) as silent,
    ):
        wait_until(lambda: len(site.listener._entity.connections) == 1, "it is connected", 5)
        started = time.monotonic()
        site.listener.stop()
        assert time.monotonic() - started < 3
        assert silent.recv(1) == b""


def test_a_connection_that_is_hung_up_is_never_read_without_its_encryption(
    tmp_path: Path, authority: Authority, own: Issued, modality: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Python's own shutdown of such a socket takes its encryption off, and what arrived would be read as it is.
    callers: list[str] = []
    shutdown = ssl.SSLSocket.shutdown

    def noting(self: ssl.SSLSocket, how: int) -> None:
        callers.append(threading.current_thread().name)
        shutdown(self, how)

    with secure(tmp_path, authority, own) as site:
        with RawAssociation(site.tls_port, tls=client(authority, modality)) as assoc:
            assoc.begin()
            # The last fragment, of which the server has read the beginning when the line is cut.
            assoc.connection.sendall(data_pdu(1, 0x02, header())[:60])
            wait_until(lambda: site.half_received != [], "the object arrives", 5)
            monkeypatch.setattr(ssl.SSLSocket, "shutdown", noting)
            (connection,) = site.listener._entity.connections
            connection.hang_up()
            with suppress(OSError):
                assoc.connection.sendall(data_pdu(1, 0x02, header())[60:])
            wait_until(lambda: site.listener._entity.connections == [], "it has ended", 5)
        assert site.instances == []
        wait_until(lambda: site.half_received == [], "the file is removed", 5)
    assert set(callers) <= {connection.dul.name}, "only the thread that reads may"


def test_a_name_that_looks_like_another_certificate_s_fingerprint_is_no_fingerprint() -> None:
    fingerprint = "ab" * 32
    assert PeerCertificate(fingerprint, ()).is_one_of((f"SHA256:{fingerprint.upper()}",))
    assert not PeerCertificate("cd" * 32, (fingerprint, f"sha256:{fingerprint}")).is_one_of((fingerprint,))
    assert PeerCertificate("cd" * 32, ("ct1",)).is_one_of((fingerprint, "CT1"))


def _broken(folder: Path, authority: Authority, own: Issued, modality: Issued) -> list[tuple[dict[str, str], str]]:
    (folder / "text").write_text("not PEM")
    locked = folder / "locked.key"
    pair, ca = own.settings(), {"ca": str(authority.ca)}
    openssl = ["openssl", "pkey", "-in", str(own.key), "-aes256", "-passout", "pass:secret", "-out", str(locked)]
    subprocess.run(openssl, check=True, capture_output=True, timeout=20)
    return [
        (pair | ca | {"key": str(modality.key)}, "does not belong to the certificate"),
        (pair | ca | {"key": str(folder / "absent")}, "cannot be read (No such file or directory)"),
        (pair | ca | {"certificate": str(folder / "text")}, "must be PEM files"),
        (pair | {"ca": str(folder / "text")}, "holds no certificate in PEM form"),
        (pair | {"ca": str(own.certificate)}, "holds no certificate of an authority"),
        (pair | ca | {"key": str(locked)}, "is protected by a passphrase"),
        (pair | ca | {"revocations": str(folder / "text")}, "holds no list in PEM form"),
        (pair | ca | {"revocations": str(own.certificate)}, "holds a certificate"),
    ]


def test_files_that_cannot_be_used_are_named_with_the_remedy_before_anything_listens(
    tmp_path: Path, authority: Authority, own: Issued, modality: Issued, program: Callable[[str], str]
) -> None:
    program("openssl")
    for number, (tls, said) in enumerate(_broken(tmp_path, authority, own, modality)):
        with pytest.raises(SettingsInvalid) as caught, listening(tmp_path / f"data{number}", tls=tls | {"port": 0}):
            pass
        assert said in str(caught.value)
        assert "listener.tls." in str(caught.value)


@pytest.mark.proves(Invariant.NOBODY_IN_BY_A_BROKEN_CHECK)
def test_a_revoked_certificate_is_refused_from_the_next_connection_on(
    tmp_path: Path, authority: Authority, own: Issued, modality: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    other = authority.issue("other-modality")
    path = authority.revoke(name="renewed")
    with secure(tmp_path, authority, own, {"revocations": str(path)}) as site:
        assert store(site, client(authority, modality)) == SUCCESS
        authority.revoke(modality, name="renewed")
        with pytest.raises((OSError, Ended)):
            store(site, client(authority, modality), "2.25.1002")
        assert store(site, client(authority, other), "2.25.1003") == SUCCESS
        wait_until(lambda: "TLS: certificate revoked; its authority has taken it back" in caplog.text, "it is told", 5)
        path.write_text("not a list")  # what was read before stays
        with pytest.raises((OSError, Ended)):
            store(site, client(authority, modality), "2.25.1004")
        assert store(site, client(authority, other), "2.25.1005") == SUCCESS
        assert len(site.instances) == 3


@pytest.mark.parametrize(("days", "is_ours", "said"), [(-1, True, "CRL has expired"), (7, False, "unable to get")])
def test_without_a_list_in_force_nobody_of_that_authority_is_let_in(
    tmp_path: Path,
    authority: Authority,
    own: Issued,
    modality: Issued,
    caplog: pytest.LogCaptureFixture,
    days: float,
    is_ours: bool,
    said: str,
) -> None:
    path = (authority if is_ours else Authority(tmp_path, "another")).revoke(days=days)
    with secure(tmp_path / "data", authority, own, {"revocations": str(path)}) as site:
        with pytest.raises((OSError, Ended)):
            store(site, client(authority, modality))
        wait_until(lambda: f"TLS: {said}" in caplog.text, "it is told", 5)
        assert "listener.tls.revocations must hold a list in force" in caplog.text
        assert site.instances == []


def test_the_how_to_does_what_it_says(tmp_path: Path, program: Callable[[str], str]) -> None:
    authority, nodes, send, revoke = [text for text in blocks("howto/tls.md") if "auscult password" not in text]
    program("openssl")
    quick = (authority + nodes).replace("rsa:3072", "rsa:2048")  # larger keys take seconds to make
    subprocess.run([program("bash"), "-euc", quick], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    folder = tmp_path / "tls"
    (settings,) = [text for text in blocks("howto/tls.md", "toml") if text.startswith("[listener.tls]")]
    tls = tomllib.loads(settings.replace('"tls/', f'"{folder}/'))["listener"]["tls"] | {"port": 0}
    write_instance(chest(rows=300, columns=200), folder / "image.dcm")
    with listening(tmp_path / "data", tls=tls) as site:
        command = shlex.split(send.replace("2762", str(site.tls_port)))
        assert command[0] == "storescu"
        sent = subprocess.run(
            [program("storescu"), *command[1:]], cwd=folder, capture_output=True, text=True, timeout=30, check=False
        )
        assert sent.returncode == 0, sent.stderr
        assert len(site.instances) == 1
    subprocess.run([program("bash"), "-euc", revoke], cwd=folder, check=True, capture_output=True, timeout=60)
    with listening(tmp_path / "again", tls=tls | {"revocations": str(folder / "revoked.pem")}) as site:
        command = shlex.split(send.replace("2762", str(site.tls_port)))
        refused = subprocess.run(
            [program("storescu"), *command[1:]], cwd=folder, capture_output=True, timeout=30, check=False
        )
        assert refused.returncode != 0
        assert site.instances == []
