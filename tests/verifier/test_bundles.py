"""Bundles of every kind of verdict derive again, offline, from the pinned agreement; to those who may have them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from daemon.rpc_errors import refused_by
from protocol.agreement import Agreement
from protocol.bundle import BEYOND, Result, verify_bundle
from protocol.envelope import parse_envelope
from protocol.errors import Reason
from standstill.v1 import agreement_pb2, bundle_pb2, envelope_pb2, header_pb2
from standstill.v1 import audit_service_pb2 as audit
from standstill.v1 import quantity_pb2 as q
from tests import builders
from tests.builders import LABS, handle, seed
from tests.verifier.cluster import METERED, Cluster, look, verdict
from tests.verifier.test_assess import begun, quiet
from verifier.daemon import Daemon

PERIOD = 3
"""What the scenes below are about: the lab alpha in this period."""


def write(party: builders.Party, *, period: int = PERIOD, bad: bool = False) -> envelope_pb2.Leaf:
    """An attestation, in bad form if so wished."""
    start = 1 if bad else party.agreement.start_of(period)
    return party.write(party.draft(builders.attestation(party.agreement, period, start=start), period=period))


def honored(cluster: Cluster) -> None:
    cluster.attest(PERIOD)


def silent(cluster: Cluster) -> None:
    cluster.attest(PERIOD, LABS[1:])


def hidden_chips(cluster: Cluster) -> None:
    one = [builders.used(q.LABEL_INFERENCE)]
    cluster.attest(PERIOD, ["alpha"], chips={builders.H100: 1}, use=one, watt_hours=300)


def too_many_chips(cluster: Cluster) -> None:
    three = [builders.used(label) for label in (q.LABEL_INFERENCE, q.LABEL_IDLE, q.LABEL_SAFETY)]
    cluster.attest(PERIOD, ["alpha"], chips={builders.H100: 3}, use=three)


def bad_form(cluster: Cluster) -> None:
    cluster.nodes["alpha"].inject(lambda party: write(party, bad=True))


def bad_form_first(cluster: Cluster) -> None:
    bad_form(cluster)
    honored(cluster)


def wrong_previous(cluster: Cluster) -> None:
    def forge(party: builders.Party) -> envelope_pb2.Leaf:
        draft = party.draft(builders.attestation(party.agreement, PERIOD), period=PERIOD)
        return party.forge(draft, lambda header: setattr(header, "previous", bytes(32)))

    cluster.nodes["alpha"].inject(forge)


def wrong_key(cluster: Cluster) -> None:
    def forge(party: builders.Party) -> envelope_pb2.Leaf:
        draft = party.draft(builders.attestation(party.agreement, PERIOD), period=PERIOD)
        return party.write(draft, seeds=[seed("beta", "statement 1")])

    cluster.nodes["alpha"].inject(forge)


def twice(cluster: Cluster) -> None:
    cluster.attest(PERIOD, ["alpha"])
    cluster.attest(PERIOD, ["alpha"], watt_hours=701)


def flood(cluster: Cluster) -> None:
    """More refused statements than an assessment can name, with as long a reason as can be."""
    node = cluster.nodes["alpha"]
    use = [builders.change(builders.used(q.LABEL_IDLE), chip_class="x" * 20_000)]
    body = builders.attestation(cluster.agreement, PERIOD, use=use)
    for _ in range(400):
        wrong_key(cluster)
    for _ in range(5):
        node.inject(lambda party: party.write(party.draft(body, period=PERIOD)))


def refused_reading(cluster: Cluster) -> None:
    """The leaf before the refused reading is one of another period, which is no part of the case."""
    honored(cluster)
    grid, site = cluster.nodes["gridco"], handle("alpha")
    grid.say(builders.meter_reading(cluster.agreement, PERIOD - 1), site=site)
    bad = builders.meter_reading(cluster.agreement, PERIOD, start=1)
    grid.inject(lambda party: party.write(party.draft(bad, period=PERIOD, site=site)))


SCENES: dict[str, tuple[Callable[[Cluster], None], bool, str, str]] = {
    "honored": (honored, True, "honored", "EVIDENCE_ATTESTATION=EVIDENCE_STATE_PRESENT"),
    "silent lab": (silent, True, "inconclusive", "attestation-missing"),
    "silent meter": (honored, False, "inconclusive", "EVIDENCE_METER=EVIDENCE_STATE_MISSING"),
    "hidden chips": (hidden_chips, True, "breached", "shipped-not-declared"),
    "too many chips": (too_many_chips, True, "discrepant", "declared-not-received"),
    "bad form": (bad_form, True, "inconclusive", "statement-refused"),
    "bad form, then good": (bad_form_first, True, "inconclusive", "statement-refused"),
    "wrong previous": (wrong_previous, True, "inconclusive", "attestation-missing"),
    "wrong key": (wrong_key, True, "inconclusive", "statement-refused"),
    "attested twice": (twice, True, "discrepant", "attested-twice"),
    "flood": (flood, True, "inconclusive", "statement-refused"),
    "refused reading": (refused_reading, False, "inconclusive", "statement-refused"),
}


@pytest.mark.parametrize("scene", SCENES)
def test_a_bundle_of_each_kind_of_verdict_derives_again(cluster: Cluster, scene: str) -> None:
    act, metered, expected, said = SCENES[scene]
    daemon = begun(cluster)
    cluster.within(4)
    act(cluster)
    if metered:
        cluster.meter(PERIOD)
    look(daemon)
    cluster.end(daemon, 4)

    found = verdict(daemon, "alpha", PERIOD)
    assert found is not None
    assert found[0] == expected
    assert said in found[2]
    require_derived(cluster, "alpha", PERIOD, expected)


def require_derived(cluster: Cluster, lab: str, period: int | None, expected: str) -> None:
    report = cluster.bundle(lab, period)
    assert report.failed() is None
    assert {step.name for step in report.steps if step.result is not Result.PASSED} == BEYOND
    assert report.verdict == header_pb2.Verdict.Value(f"VERDICT_{expected.upper()}")


def test_a_bundle_of_late_evidence_derives_again(cluster: Cluster) -> None:
    daemon = begun(cluster)
    for period in (4, 5, 6):
        quiet(cluster, daemon, period)
    cluster.within(7)
    cluster.attest(3)
    cluster.meter(3)
    look(daemon)
    cluster.end(daemon, 7)

    assert verdict(daemon, "alpha", 3) is not None
    assert "attestation-late" in (verdict(daemon, "alpha", 3) or ("", 0, ""))[2]
    require_derived(cluster, "alpha", 3, "inconclusive")


def test_bundles_of_older_periods_derive_again_when_the_logs_have_grown(cluster: Cluster) -> None:
    daemon = begun(cluster)
    for period in range(4, 9):
        cluster.honest(daemon, period)

    for period in range(2, 8):
        require_derived(cluster, "beta", period, "honored")
    require_derived(cluster, "beta", None, "honored")


def paused(cluster: Cluster) -> Daemon:
    """A verifier that has closed period 7; a pause winds down in period 6 and is in force from period 7."""
    daemon = begun(cluster)
    for lab in LABS:
        cluster.nodes[lab].say(builders.pledge())
    cluster.honest(daemon, 4)
    cluster.nodes["alpha"].say(builders.indicator_report(value=2_500), period=4)
    for lab in LABS[:2]:
        cluster.nodes[lab].say(builders.ballot())
    for period in (5, 6, 7):
        cluster.honest(daemon, period)
    return daemon


def test_work_that_a_level_forbids_is_a_breach_that_derives_again(cluster: Cluster) -> None:
    daemon = paused(cluster)
    since = daemon._registrar.state.levels[builders.PAUSE].binds["alpha"].since + 1
    for period in range(8, since + 2):
        cluster.within(period)
        training = [builders.used(q.LABEL_TRAIN, teraflop=10**6), builders.used(q.LABEL_IDLE)]
        train = period == since + 1
        cluster.attest(period - 1, ["alpha"], **({"use": training} if train else {}))
        cluster.attest(period - 1, ["beta"])
        for lab in ("alpha", "beta"):
            if train:
                cluster.nodes[lab].say(builders.halt_report(), period=since)
        cluster.meter(period - 1)
        look(daemon)
        cluster.end(daemon, period)

    assert verdict(daemon, "alpha", since) is not None
    require_derived(cluster, "alpha", since, "breached")
    require_derived(cluster, "beta", since, "honored")
    require_derived(cluster, "gamma", since, "inconclusive")


def slowed() -> Agreement:
    """Everybody owes a slowdown from the start: at most 10,000 chip-seconds of training in six periods."""
    usual = builders.terms()
    cap = agreement_pb2.Cap(name="training", labels=[q.LABEL_TRAIN], chip_seconds=10_000, window_periods=6)
    level = builders.change(
        usual.levels[0],
        binds=agreement_pb2.BINDS_EVERYONE,
        trigger=builders.ALWAYS,
        called_by="",
        mandate_periods=100,
        caps=[cap],
    )
    verification = builders.change(usual.verification, required=METERED)
    return builders.agreement(levels=[level, usual.levels[1]], verification=verification)


def test_words_on_earlier_periods_count_in_a_window_alike_for_the_daemon_and_its_bundles(tmp_path: Path) -> None:
    training = [builders.used(q.LABEL_TRAIN, teraflop=1), builders.used(q.LABEL_INFERENCE)]
    with contextlib.closing(Cluster(tmp_path, slowed())) as cluster:
        daemon = begun(cluster)
        for period in range(4, 13):
            cluster.within(period)
            cluster.attest(period - 1, ["alpha"], use=training)
            cluster.attest(period - 1, LABS[1:])
            cluster.meter(period - 1)
            if period == 6:
                # Before period 9 ends, a word that it saw no training; of period 5, one that is refused.
                cluster.nodes["alpha"].inject(lambda party: write(party, period=9))
                cluster.nodes["alpha"].inject(lambda party: write(party, period=5, bad=True))
            look(daemon)
            cluster.end(daemon, period)

        for period in range(8, 12):
            assert "cap-exceeded" in (verdict(daemon, "alpha", period) or ("", 0, ""))[2]
            require_derived(cluster, "alpha", period, "breached")
        # What was refused is part of the bundle on its own period, and of no other; the level applies from period 4 on.
        assert attested_in_bundle(cluster, 5) == [4, 5, 5]
        assert attested_in_bundle(cluster, 10) == [5, 6, 7, 8, 9, 9, 10]


def test_a_revoked_key_counts_alike_for_the_daemon_and_its_bundles(tmp_path: Path) -> None:
    with contextlib.closing(Cluster(tmp_path, slowed())) as cluster:
        daemon = begun(cluster)
        alpha = cluster.nodes["alpha"]
        for period in range(4, 11):
            cluster.within(period)
            cluster.attest(period - 1, LABS[1:])
            cluster.meter(period - 1)
            if period == 6:
                alpha.say(builders.halt_report(builders.SLOWDOWN), period=5)
            if period == 7:
                # A thief trains; alpha takes back all from its word on period 5 on, which is recorded already.
                robbed(cluster, 6)
            alpha.inject(lambda party, about=period - 1: write(party, period=about))  # type: ignore[misc]
            look(daemon)
            cluster.end(daemon, period)

        # What alpha says anew of period 6 takes the place of the thief's word.
        # In period 9 the cap counts period 5 still; the state that governs it lies behind the revocation.
        for period, expected in ((5, "honored"), (6, "honored"), (8, "honored"), (9, "honored")):
            assert (verdict(daemon, "alpha", period) or ("", 0, ""))[0] == expected
            require_derived(cluster, "alpha", period, expected)


def robbed(cluster: Cluster, period: int) -> None:
    """Alpha's key attests what alpha did not say, and is revoked from the statement before on."""
    alpha = cluster.nodes["alpha"]
    theft = [builders.used(q.LABEL_TRAIN, 20_000, teraflop=1)]
    stolen = alpha.say(builders.attestation(cluster.agreement, period, use=theft))
    alpha.inject(lambda party: party.write(party.draft(builders.key_set("alpha", 2, revoked_from=stolen - 1))))


def attested_in_bundle(cluster: Cluster, period: int) -> list[int]:
    """Periods that the attestations in the bundle on alpha speak of."""
    chunks = cluster.audit().GetBundle(audit.GetBundleRequest(lab="alpha", period=period))
    bundle = bundle_pb2.Bundle.FromString(b"".join(chunk.chunk for chunk in chunks))
    leaves = [leaf.leaf for log in bundle.logs for leaf in log.leaves]
    headers = [header_pb2.Header.FromString(parse_envelope(leaf.envelope).payload) for leaf in leaves]
    return sorted(header.period for header in headers if header.kind == header_pb2.KIND_COMPUTE_ATTESTATION)


def test_a_bundle_names_the_terms_that_it_was_made_under(cluster: Cluster) -> None:
    daemon = begun(cluster)
    chunks = cluster.audit().GetBundle(audit.GetBundleRequest(lab="alpha"))
    data = b"".join(chunk.chunk for chunk in chunks)

    failed = verify_bundle(data, bytes(32)).failed()

    assert failed is not None
    assert failed.reason is Reason.TRUST_ROOT_MISMATCH
    assert bundle_pb2.Bundle.FromString(data).agreement == daemon.agreement.data


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (audit.GetBundleRequest(lab="nobody"), Reason.NAME_UNKNOWN),
        (audit.GetBundleRequest(lab="alpha", period=1), Reason.NOT_ASSESSED),
        (audit.GetBundleRequest(lab="alpha", period=99), Reason.NOT_ASSESSED),
    ],
    ids=["unknown lab", "before the agreement", "in the future"],
)
def test_there_is_no_bundle_of_what_was_not_assessed(
    cluster: Cluster, request_: audit.GetBundleRequest, reason: Reason
) -> None:
    begun(cluster)

    with pytest.raises(grpc.RpcError) as caught:
        list(cluster.audit().GetBundle(request_))

    refused = refused_by(caught.value)
    assert refused is not None
    assert refused.reason is reason
