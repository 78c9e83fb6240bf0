"""What a party says by the words of the field, as it types it to a node that runs."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from cli.output import Exit
from daemon.enrolment import Enrolled
from protocol.statements import KINDS
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import decision_pb2, envelope_pb2, evidence_pb2, header_pb2, inquiry_pb2, log_service_pb2
from standstill.v1 import quantity_pb2 as q
from tests.cli.test_node_commands import Operator
from tests.cluster import Cluster, standstill
from tests.terms import PAUSE, brake_terms, level, terms

SEAT = "chair"


class Council(Cluster):
    """The usual parties; gridco is a council as well, and one seat of it votes with a key of its own."""

    def _enrol(self, name: str) -> Enrolled:
        made = super()._enrol(name)
        if name == "gridco":
            said = standstill("node", "seat", "new", self / "chair.key", "--json")
            key = bytes.fromhex(json.loads(said.stdout)["data"]["public_key"])
            made.party.roles.append(pb.ROLE_COUNCIL)
            made.party.seats.add(name="board").seats.add(name=SEAT, owner="chair's office", public_key=key)
        return made


def council(home: Path) -> Council:
    """Two of three votes decide, one of them the chair's; the pause has a brake, an exemption on request, an event."""
    need = pb.Need(count=pb.Need.Count(k=2, voters=["alpha", "gamma", f"gridco/{SEAT}"]))
    rule = pb.Rule(name="council", need=need, ballot_life_periods=6)
    cap = pb.Cap(name="trial", labels=[q.LABEL_TRAIN], chip_seconds=100, window_periods=4)
    trial = pb.Exemption(name="trial", labels=[q.LABEL_TRAIN], cap=cap, on_request=True)
    levels = [*terms().levels[:1], level("pause", PAUSE, brake=brake_terms(), exemptions=[trial])]
    verification = terms().verification
    verification.clarification_answer_periods = 2
    events = [pb.Event(name="audit_done", reported_by=["gamma"], reports=1, max_age_periods=6)]
    return Council(home, rules=[rule], levels=levels, exempted_by="council", verification=verification, events=events)


@pytest.fixture(scope="module")
def running() -> Iterator[Council]:
    """Gamma, a lab, and gridco, a council, are running; neither follows the record."""

    home = Path(tempfile.mkdtemp(prefix="ss-"))
    made = council(home)
    for name in ("gamma", "gridco"):
        made.found(name)
    with made.running("gamma"), made.running("gridco"):
        yield made
    shutil.rmtree(home)


@pytest.fixture
def gamma(running: Council, capsys: pytest.CaptureFixture[str]) -> Operator:
    return Operator(running / "gamma", capsys)


@pytest.fixture
def gridco(running: Council, capsys: pytest.CaptureFixture[str]) -> Operator:
    return Operator(running / "gridco", capsys)


def newest(cluster: Council, name: str) -> tuple[header_pb2.Header, Any]:
    """Header and body of the last statement in a party's log, as another party reads it."""
    origin = cluster.agreement.parties[name].origin
    with cluster.log_of(name) as log:
        size = int(log.GetCheckpoint(log_service_pb2.GetCheckpointRequest(origin=origin)).note.splitlines()[1])
        request = log_service_pb2.StreamLeavesRequest(origin=origin, start=size - 1, end=size)
        (leaf,) = (leaf for batch in log.StreamLeaves(request) for leaf in batch.leaves)

    envelope = envelope_pb2.Envelope.FromString(leaf.envelope)
    header = header_pb2.Header.FromString(envelope.payload)
    return header, KINDS[header.kind].body.FromString(leaf.body)


def test_a_lab_votes_in_words(gamma: Operator, running: Council) -> None:
    said = gamma("vote", "call", "pause", "--yes", "--episode", "1")
    _, ballot = newest(running, "gamma")

    assert said.out.startswith("gamma votes yes: call pause; index ")
    assert ballot == decision_pb2.Ballot(motion=decision_pb2.MOTION_CALL, level=PAUSE, episode=1, yes=True)


def test_a_vote_can_be_no_and_answers_scripts(gamma: Operator, running: Council) -> None:
    said = gamma("vote", "lift", "pause", "--no", "--episode", "1", "--json")

    assert said.data["said"]["body"] == {"motion": "MOTION_LIFT", "level": PAUSE, "episode": 1}
    assert said.data["statement"]["index"] > 0
    assert not newest(running, "gamma")[1].yes


def test_a_seat_votes_with_its_own_key(gridco: Operator, running: Council) -> None:
    arguments = (
        "vote",
        "call",
        "pause",
        "--yes",
        "--episode",
        "1",
        "--seat",
        SEAT,
        "--key",
        str(running / "chair.key"),
    )
    before = gridco(*arguments)
    first = newest(running, "gridco")[1]
    again = gridco(*arguments)
    second = newest(running, "gridco")[1]

    assert (before.code, again.code) == (0, 0)
    assert (second.seat, second.serial) == (SEAT, first.serial + 1)
    assert len(second.seat_signature) == 64


def test_a_seat_signs_where_its_key_is(gridco: Operator, running: Council, tmp_path: Path) -> None:
    """The council prints the ballot, the seat signs it elsewhere, the council publishes it."""
    printed = gridco("vote", "lift", "pause", "--yes", "--episode", "1", "--seat", SEAT, "--print")
    (tmp_path / "ballot.json").write_text(printed.out)
    unsigned = gridco("publish", str(tmp_path / "ballot.json"))
    terms_ = ("--agreement", running / "agreement", "--digest", running.agreement.digest.hex())
    signed = standstill("node", "seat", "sign", tmp_path / "ballot.json", "--key", running / "chair.key", *terms_)
    (tmp_path / "signed.json").write_text(signed.stdout)
    published = gridco("publish", str(tmp_path / "signed.json"))

    assert unsigned.code == Exit.REFUSED
    assert "SEAT_SIGNATURE" in unsigned.err
    assert "chair signs its ballot" in signed.stderr
    assert "yes to lift, level 2, episode 1" in signed.stderr
    assert published.code == 0
    assert newest(running, "gridco")[1].motion == decision_pb2.MOTION_LIFT


def test_a_seat_signs_only_ballots_of_seats_under_the_terms_that_it_was_told(
    gridco: Operator, gamma: Operator, running: Council, tmp_path: Path
) -> None:
    def sign(text: str, digest: str) -> int:
        (tmp_path / "ballot.json").write_text(text)
        key, terms_ = str(running / "chair.key"), str(running / "agreement")
        file = str(tmp_path / "ballot.json")
        return run(["node", "seat", "sign", file, "--key", key, "--agreement", terms_, "--digest", digest])

    digest = running.agreement.digest.hex()
    mine = gamma("vote", "lift", "pause", "--yes", "--episode", "1", "--print").out
    seats = gridco("vote", "lift", "pause", "--yes", "--episode", "1", "--seat", SEAT, "--print").out

    assert sign(mine, digest) == Exit.USAGE
    assert sign('{"kind": "Pledge"}', digest) == Exit.USAGE
    assert sign(seats, "00" * 32) == Exit.NOT_TRUSTED
    assert sign(seats, digest) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["vote", "call", "pauze", "--yes", "--episode", "1"], Exit.USAGE, "NAME_UNKNOWN LEVEL"),
        (["vote", "call", "pause", "--episode", "1"], Exit.USAGE, "say --yes or --no"),
        (["event", "audit_done"], Exit.USAGE, "say --happened or --not-happened"),
        (["vote", "call", "pause", "--yes"], Exit.USAGE, "FIELD_ABSENT --episode"),
        (["vote", "begin", "pause", "--yes"], Exit.USAGE, "'call', 'lift'"),
        (["vote", "call", "pause", "--yes", "--seat", SEAT], Exit.USAGE, "give its --key"),
        (
            ["vote", "call", "pause", "--yes", "--episode", "1", "--seat", "clerk", "--print"],
            Exit.USAGE,
            "gridco/chair",
        ),
        (["brake", "slowdown"], Exit.REFUSED, "BRAKE_NOT_AGREED"),
        (["report", "horizons", "1"], Exit.USAGE, "NAME_UNKNOWN INDICATOR"),
        (["report", "horizon", "1", "--lab", "alpha"], Exit.REFUSED, "NO_AUTHORITY"),
        (["event", "audit", "--happened"], Exit.USAGE, "audit_done"),
        (["request", "audit", "--level", "pause", "--periods", "3"], Exit.USAGE, "trial"),
        (["ask", "vera", "why?"], Exit.USAGE, "NAME_UNKNOWN LAB"),
        (["reply", "because"], Exit.USAGE, "FIELD_ABSENT --to"),
    ],
)
def test_what_is_wrong_is_named_with_what_to_try(gamma: Operator, arguments: list[str], code: Exit, words: str) -> None:
    said = gamma(*arguments)

    assert said.code == code
    assert words in said.err
    assert "Traceback" not in said.err


def test_a_brake_is_used_with_a_reason(gamma: Operator, running: Council) -> None:
    assert gamma("brake", "pause", "--reason", "an escape").code == 0

    assert newest(running, "gamma")[1] == decision_pb2.Brake(level=PAUSE, reason="an escape")


def test_a_lab_reports_on_itself_for_the_period_that_runs(gamma: Operator, running: Council) -> None:
    assert gamma("report", "horizon", "2520").code == 0
    header, body = newest(running, "gamma")

    assert header.period == 0
    assert body == evidence_pb2.IndicatorReport(indicator="horizon", lab="gamma", value=2520)


def test_an_event_is_reported_for_a_level_or_for_none(gamma: Operator, running: Council) -> None:
    assert gamma("event", "audit_done", "--happened").code == 0
    first = newest(running, "gamma")[1]
    assert gamma("event", "audit_done", "--not-happened", "--level", "pause").code == 0

    assert first == evidence_pb2.EventReport(event="audit_done", happened=True)
    assert newest(running, "gamma")[1] == evidence_pb2.EventReport(event="audit_done", level=PAUSE)


def test_an_exemption_is_asked_for(gamma: Operator, running: Council) -> None:
    said = gamma("request", "trial", "--level", "pause", "--periods", "3", "--chip-seconds", "50", "--purpose", "a fix")

    assert said.code == 0
    assert newest(running, "gamma")[1] == decision_pb2.ExemptionRequest(
        level=PAUSE, exemption="trial", periods=3, chip_seconds=50, purpose="a fix"
    )


def test_a_question_names_the_lab_in_its_header(gamma: Operator, running: Council) -> None:
    assert gamma("ask", "alpha", "What is run-7?").code == 0
    header, body = newest(running, "gamma")

    assert header.inquiry == header_pb2.Inquiry(lab="alpha")
    assert body == inquiry_pb2.Clarification(question="What is run-7?")


def test_an_answer_names_the_question_in_its_header(gamma: Operator, running: Council, tmp_path: Path) -> None:
    """As a file, as a node that does not follow the record cannot know what waits."""
    statement = {"kind": "Reply", "inquiry": {"lab": "gamma", "question": "ab" * 32}, "body": {"text": "a test"}}
    (tmp_path / "reply.json").write_text(json.dumps(statement))
    assert gamma("publish", str(tmp_path / "reply.json")).code == 0

    assert newest(running, "gamma")[0].inquiry == header_pb2.Inquiry(lab="gamma", question=b"\xab" * 32)


def test_help_names_every_motion(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["node", "vote", "--help"]) == 0
    text = capsys.readouterr().out

    assert "call LEVEL" in text
    assert "\n  hold LAB " in text
    assert "amend DIGEST" in text
