"""Joining an agreement: keys, descriptor, founding."""

from __future__ import annotations

import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf import text_format

from daemon import enrolment
from daemon.clock import FileClock
from daemon.config import load_config
from daemon.database import open_database
from daemon.enrolment import Newcomer, enrol, found, write_config
from daemon.files import alone_in
from daemon.fsck import fsck
from daemon.keyfiles import read_seed
from daemon.leaf import Head
from daemon.log_service import open_leaf
from daemon.log_store import open_store
from node.config import NodeSettings
from protocol.agreement import Agreement, read_agreement
from protocol.audience import Reader
from protocol.errors import Reason
from protocol.leaf import Cursor, ReadLeaf, read_leaves
from protocol.signing import Signing, accept, begin, founding
from protocol.wire import encode
from standstill.v1 import agreement_pb2, header_pb2, membership_pb2
from tests.protocol.refusals import refuses
from tests.terms import START, agreement, party, terms

SUPPLIER = Newcomer(name="chipco", roles=[agreement_pb2.ROLE_SUPPLIER], owner="Chipco")
LAB = Newcomer(name="alpha", roles=[agreement_pb2.ROLE_LAB], owner="Alpha", sites=["g1", "g2"], metered_by="gridco")
VERIFIER = Newcomer(name="vera", roles=[agreement_pb2.ROLE_VERIFIER], owner="Vera", root_keys=3, root_threshold=2)


class Joining:
    """A party that was enrolled, and the agreement that it was compiled into."""

    def __init__(self, home: Path, newcomer: Newcomer) -> None:
        self.newcomer, self.home = newcomer, home / newcomer.name
        self.enrolled = enrol(newcomer, self.home)
        self.config = self.home / "node.toml"
        write_config(self.config, NodeSettings(party=newcomer.name))
        self.agreement = with_party(self.enrolled.party)
        self.clock = home / "clock"
        self.clock.write_text(str(START))

    @property
    def settings(self) -> NodeSettings:
        return load_config(self.config, NodeSettings)

    def found(
        self,
        terms_: Agreement | None = None,
        digest: bytes | None = None,
        keys: Path | None = None,
        signed: Signing | None = None,
    ) -> Head:
        chosen = terms_ or self.agreement
        clock = FileClock(self.clock)
        pinned = digest or chosen.digest
        return found(self.config, self.settings, chosen.data, pinned, clock, root_keys=keys, signed=signed)

    def signed(self, *numbers: int, terms_: Agreement | None = None) -> Signing:
        """The terms signed with these root keys of the party."""
        signing = begin(terms_ or self.agreement)
        for number in numbers:
            root = read_seed(self.home / "keys" / f"root-{number}.key")
            signing = accept(signing, self.newcomer.name, root, salts=(bytes(32), bytes(32)), time=START - 5)
        return signing

    def log(self) -> list[ReadLeaf]:
        """The log as a verifier reads it."""
        name, origin = self.newcomer.name, self.enrolled.party.origin
        with closing(open_store(f"sqlite:///{self.home / 'store.db'}", writer=False)) as store:
            assert fsck(store, origin) == []
            served = [open_leaf(leaf, Reader.VERIFIER) for leaf in store.leaves(origin, 0, store.head(origin).size)]
        return read_leaves(self.agreement, Cursor(origin, name), served)[0]


def with_party(descriptor: agreement_pb2.Party, name: str = "test agreement") -> Agreement:
    """The terms of all tests with one party replaced."""
    made = terms(name=name)
    parties = [descriptor if one.name == descriptor.name else one for one in made.parties]
    return agreement(name=name, parties=parties)


def kinds(log: list[ReadLeaf]) -> list[int]:
    assert all(read.refusal is None for read in log)
    return [read.header.kind for read in log if read.header is not None]


FOUNDED = [header_pb2.KIND_FOUNDING, header_pb2.KIND_KEY_SET]


@pytest.fixture
def joining(tmp_path: Path) -> Joining:
    return Joining(tmp_path, SUPPLIER)


def test_secrets_are_for_their_owner_alone(tmp_path: Path) -> None:
    made = enrol(replace(VERIFIER), tmp_path / "vera")

    secret = [name for name in made.files if name.endswith(".key")]
    modes = {name: stat.S_IMODE((tmp_path / "vera" / name).stat().st_mode) for name in secret}
    assert sorted(secret) == [
        "keys/cosignature.key",
        "keys/log.key",
        "keys/root-1.key",
        "keys/root-2.key",
        "keys/root-3.key",
        "keys/statement.key",
        "tls.key",
    ]
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((tmp_path / "vera" / "keys").stat().st_mode) == 0o700


def test_the_descriptor_is_what_the_agreement_will_say(tmp_path: Path) -> None:
    made = enrol(LAB, tmp_path / "alpha")

    written = text_format.Parse((tmp_path / "alpha" / "party.txtpb").read_text(), agreement_pb2.Party())
    assert written == made.party
    assert with_party(written).parties["alpha"] == made.party
    assert [site.handle for site in written.sites] == list(made.handles.values())
    assert [site.metered_by for site in written.sites] == ["gridco", "gridco"]
    assert "g1" not in (tmp_path / "alpha" / "party.txtpb").read_text()


def test_no_two_parties_share_a_key_or_a_handle(tmp_path: Path) -> None:
    one, other = (enrol(LAB, tmp_path / name).party for name in ("one", "other"))

    keys = [key for made in (one, other) for key in (made.log_key, *made.root_keys)]
    handles = [site.handle for made in (one, other) for site in made.sites]
    assert len(set(keys)) == len(keys)
    assert len(set(handles)) == 4


@pytest.mark.parametrize(
    ("newcomer", "reason"),
    [
        (replace(SUPPLIER, name="Chip Co"), Reason.NAME_MALFORMED),
        (replace(SUPPLIER, owner=""), Reason.FIELD_ABSENT),
        (replace(SUPPLIER, roles=[]), Reason.ROLE_MISSING),
        (replace(SUPPLIER, root_threshold=2), Reason.QUORUM_CANNOT_BE_MET),
        (replace(SUPPLIER, sites=["g1"]), Reason.FIELD_ABSENT),
        (replace(LAB, sites=[]), Reason.FIELD_ABSENT),
        (replace(LAB, pue_milli=(900, 1_500)), Reason.VALUE_OUT_OF_RANGE),
    ],
)
def test_refuses_a_newcomer_that_no_agreement_would_take_and_writes_nothing(
    tmp_path: Path, newcomer: Newcomer, reason: Reason
) -> None:
    with refuses(reason):
        enrol(newcomer, tmp_path / "new")

    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["keys/log.key", "keys/root-1.key", "tls.key", "party.txtpb"])
def test_never_overwrites_what_is_there(tmp_path: Path, name: str) -> None:
    made = enrol(SUPPLIER, tmp_path)
    before = {file: (tmp_path / file).read_bytes() for file in made.files}
    for file in made.files:
        if file != name:
            (tmp_path / file).unlink()
    with refuses(Reason.SECRET_EXISTS, str(tmp_path / name)):
        enrol(SUPPLIER, tmp_path)

    assert (tmp_path / name).read_bytes() == before[name]
    assert [file for file in made.files if (tmp_path / file).exists()] == [name]


def test_never_overwrites_a_configuration(joining: Joining) -> None:
    with refuses(Reason.SECRET_EXISTS, str(joining.config)):
        write_config(joining.config, NodeSettings(party="other"))

    assert joining.settings.party == "chipco"


def test_founding_logs_the_acceptance_and_the_keys(joining: Joining) -> None:
    head = joining.found()

    log = joining.log()
    assert kinds(log) == FOUNDED
    assert head.size == 2
    assert log[0].body == membership_pb2.Founding(agreement=joining.agreement.digest)
    assert joining.settings.digest == joining.agreement.digest.hex()
    assert (joining.home / "agreement").read_bytes() == joining.agreement.data


def test_a_verifier_names_its_cosignature_key_too(tmp_path: Path) -> None:
    joining = Joining(tmp_path, VERIFIER)
    joining.found()

    body = joining.log()[1].body
    assert isinstance(body, membership_pb2.KeySet)
    assert [key.use for key in body.keys] == [membership_pb2.KEY_USE_STATEMENT, membership_pb2.KEY_USE_COSIGNATURE]


def test_founding_twice_changes_nothing(joining: Joining) -> None:
    first = joining.found()
    before = [read.identity for read in joining.log()]

    assert joining.found() == first
    assert [read.identity for read in joining.log()] == before


def test_founding_again_needs_no_root_keys(joining: Joining) -> None:
    joining.found()
    (joining.home / "keys" / "root-1.key").unlink()

    assert joining.found().size == 2


def half_a_store(joining: Joining) -> None:
    """A crash while the store was being made."""
    open_database(f"sqlite:///{joining.home / 'store.db.unfinished'}", create=True).close()


def only_terms(joining: Joining) -> None:
    """A crash after the agreement was copied."""
    (joining.home / "agreement").write_bytes(joining.agreement.data)


def empty_store(joining: Joining) -> None:
    """A crash before the first statement."""
    only_terms(joining)
    open_database(f"sqlite:///{joining.home / 'store.db'}", create=True).close()


def only_founding(joining: Joining) -> None:
    """A log with its Founding alone, as another program may leave it."""
    with pytest.MonkeyPatch.context() as patch:
        whole = enrolment._founding
        patch.setattr(enrolment, "_founding", lambda *arguments: whole(*arguments)[:1])
        assert joining.found().size == 1


@pytest.mark.parametrize("crash", [half_a_store, only_terms, empty_store, only_founding])
def test_after_a_crash_founding_goes_on_where_it_stopped(joining: Joining, crash: Callable[[Joining], None]) -> None:
    crash(joining)

    assert joining.found().size == 2
    assert kinds(joining.log()) == FOUNDED
    assert not list(joining.home.glob("*.unfinished*"))


def test_refuses_other_terms_than_the_digest_names_and_writes_nothing(joining: Joining) -> None:
    other = with_party(joining.enrolled.party, name="another agreement")
    with refuses(Reason.TRUST_ROOT_MISMATCH, "agreement"):
        joining.found(digest=other.digest)

    assert joining.settings.digest == ""
    assert not (joining.home / "agreement").exists()
    assert not (joining.home / "store.db").exists()


def test_refuses_a_second_agreement(joining: Joining) -> None:
    joining.found()
    with refuses(Reason.TRUST_ROOT_MISMATCH, "digest"):
        joining.found(with_party(joining.enrolled.party, name="another agreement"))

    assert (joining.home / "agreement").read_bytes() == joining.agreement.data
    assert kinds(joining.log()) == FOUNDED


def test_refuses_an_agreement_without_the_party(tmp_path: Path) -> None:
    joining = Joining(tmp_path, replace(SUPPLIER, name="stranger"))
    with refuses(Reason.NAME_UNKNOWN, "party"):
        joining.found(agreement())


def test_refuses_an_agreement_that_names_another_log_key(joining: Joining) -> None:
    others = read_agreement(encode(terms()))
    with refuses(Reason.KEY_NOT_AGREED, str(joining.home / "keys" / "log.key")):
        joining.found(others)

    assert joining.settings.digest == ""


def test_refuses_too_few_root_keys_and_takes_enough_from_another_directory(tmp_path: Path) -> None:
    joining = Joining(tmp_path, VERIFIER)
    keys, far = joining.home / "keys", tmp_path / "stick"
    far.mkdir()
    for name in ("root-1.key", "root-3.key"):
        (keys / name).rename(far / name)
    with refuses(Reason.SECRET_ABSENT, str(keys)):
        joining.found()
    assert not (joining.home / "keys" / "root-1.key").exists()

    assert joining.found(keys=far).size == 2
    assert kinds(joining.log()) == FOUNDED


def test_root_keys_of_somebody_else_do_not_count(tmp_path: Path) -> None:
    joining = Joining(tmp_path, SUPPLIER)
    stranger = enrol(replace(SUPPLIER), tmp_path / "stranger")
    assert stranger.party.root_keys != joining.enrolled.party.root_keys
    with refuses(Reason.SECRET_ABSENT):
        joining.found(keys=tmp_path / "stranger" / "keys")

    assert joining.found().size == 2


def test_refuses_to_found_beside_another_process(joining: Joining) -> None:
    with alone_in(joining.home), refuses(Reason.STORE_IN_USE, str(joining.home)):
        joining.found()

    assert joining.found().size == 2


def test_the_pin_leaves_the_rest_of_the_configuration_as_it_was(joining: Joining) -> None:
    text = joining.config.read_text() + '\n# mine\n[peer.vera]\ncertificate = "vera.crt"\n'
    joining.config.write_text(text)
    joining.found()

    pinned = f'digest = "{joining.agreement.digest.hex()}"'
    assert joining.config.read_text() == text.replace('# digest = ""', pinned)


def test_the_pin_is_set_where_the_key_was_deleted(joining: Joining) -> None:
    joining.config.write_text('party = "chipco"\n[peer.vera]\ncertificate = "vera.crt"\n')
    joining.found()

    assert joining.settings.digest == joining.agreement.digest.hex()
    assert list(joining.settings.peer) == ["vera"]


def test_a_store_may_stand_elsewhere(joining: Joining, tmp_path: Path) -> None:
    joining.config.write_text(f'party = "chipco"\nstore = "{tmp_path}/elsewhere.db"\n')
    joining.found()

    assert (tmp_path / "elsewhere.db").exists()
    assert not (joining.home / "store.db").exists()


def test_the_descriptor_of_the_tests_is_a_twin_that_stands() -> None:
    assert with_party(party("chipco", agreement_pb2.ROLE_SUPPLIER)).digest == agreement().digest


def test_a_founding_that_was_signed_before_becomes_leaf_0(tmp_path: Path) -> None:
    joining = Joining(tmp_path, VERIFIER)
    signed = joining.signed(1, 3)

    joining.found(signed=signed)

    log = joining.log()
    assert kinds(log) == FOUNDED
    ready = founding(signed, joining.newcomer.name)
    with closing(open_store(f"sqlite:///{joining.home / 'store.db'}", writer=False)) as store:
        assert store.leaf(joining.enrolled.party.origin, 0).envelope == ready.envelope


def test_founding_with_signatures_can_be_repeated(tmp_path: Path) -> None:
    joining = Joining(tmp_path, VERIFIER)
    signed = joining.signed(1, 2)

    assert joining.found(signed=signed) == joining.found(signed=signed)
    assert joining.found(signed=joining.signed(2, 3)) == joining.found()


def test_refuses_signatures_that_are_not_complete_or_of_other_terms_and_logs_nothing(tmp_path: Path) -> None:
    joining = Joining(tmp_path, VERIFIER)
    other = with_party(joining.enrolled.party, "other terms")

    with refuses(Reason.THRESHOLD_NOT_MET):
        joining.found(signed=joining.signed(1))
    with refuses(Reason.TRUST_ROOT_MISMATCH, "signed"):
        joining.found(signed=joining.signed(1, 2, terms_=other))
    assert not (joining.home / "store.db").exists()
