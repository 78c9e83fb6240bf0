"""What a party says by the words of the field: it votes, brakes, asks, answers, reports, requests.

Each command makes one statement from what the node knows of terms and state, and publishes it. What none of them covers
is written as JSON: `standstill node publish`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.node_call import FILE, config_options, node_at, sentence, standing
from cli.output import answer, json_option, plain

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from cli.node_view import View
    from standstill.v1 import decision_pb2
    from standstill.v1 import node_admin_service_pb2 as pb

MOTIONS: Final = (
    "call",
    "lift",
    "renew",
    "ratify",
    "arm",
    "resolve",
    "hold",
    "release",
    "exempt",
    "admit",
    "amend",
)
"""Motions in the order of their help; the enumeration `Motion` has the same ones."""


def _either(ctx: click.Context, parameter: click.Parameter, value: bool | None) -> bool:
    """A word that must be said: nobody votes no by leaving it out."""
    if value is None:
        either = " or ".join([*parameter.opts, *parameter.secondary_opts])
        raise click.UsageError(f"say {either}", ctx)
    return value


@click.command()
@config_options
@click.argument("motion", type=click.Choice(MOTIONS))
@click.argument("subject")
@click.option("--yes/--no", "yes", default=None, callback=_either, help="The vote; one of the two is required.")
@click.option("--episode", type=click.IntRange(1), help="Episode, or number of the accusation; by the state if absent.")
@click.option("--rule", default="", help="To resolve, where the terms name several: the rule that carries it.")
@click.option("--asked", default="", help="To resolve, the same: beginning of the digest of what is found.")
@click.option("--seat", default="", help="Seat of this council that votes; the party itself if absent.")
@click.option("--key", type=FILE, help="Key of the seat; without it only --print.")
@click.option(
    "--serial", type=click.IntRange(1), help="Serial of the seat's ballot; the next one in the log if absent."
)
@click.option(
    "--print", "only_print", is_flag=True, help="Print the ballot for `publish` or `seat sign`; publish nothing."
)
@json_option
def vote(
    *, config: Path, seat: str, key: Path | None, serial: int | None, only_print: bool, as_json: bool, **what: Any
) -> None:
    """Vote on MOTION about SUBJECT, --yes or --no.

    \b
    call LEVEL       lift LEVEL      renew LEVEL (its mandate)
    ratify LEVEL     the brake that runs, which calls the level
    arm LEVEL        so that its trigger alone may call it
    resolve LEVEL    find that what a condition of it asks for is so
    hold LAB         keep relying on a lab that is accused
    release LAB      stop relying on it
    exempt LAB       grant the exemption that it asked for
    admit PARTY      that a sponsor has offered
    amend DIGEST     adopt proposed terms; the beginning of their digest

    Names of levels and labs are those of the terms; a wrong one is answered with those that there are.
    """  # noqa: D301 - the mark by which click keeps lines
    from cli.node_view import Vote, ballot_of
    from standstill.v1 import header_pb2

    said = Vote(**what)
    if seat and key is None and not only_print:
        raise click.UsageError("--seat: give its --key, or --print the ballot for `standstill node seat sign`")

    def make(view: View) -> pb.Draft:
        ballot = ballot_of(said, view, seat, serial)
        return _draft(header_pb2.KIND_BALLOT, _signed(ballot, view, key))

    words = f"votes {'yes' if said.yes else 'no'}: {said.motion} {said.subject}"
    _say(config, "vote", make, words, as_json=as_json, only_print=only_print)


def _digest(text: str) -> bytes:
    from cli.digest import parse_digest

    return parse_digest(text) if text else b""


def _signed(ballot: decision_pb2.Ballot, view: View, key: Path | None) -> decision_pb2.Ballot:
    from daemon.keyfiles import read_seed
    from protocol.seats import sign_ballot

    return ballot if key is None else sign_ballot(view.terms.digest, ballot, read_seed(key))


@click.command()
@config_options
@click.argument("level")
@click.option("--reason", default="", help="For people; at most 1,000 characters.")
@json_option
def brake(config: Path, level: str, reason: str, as_json: bool) -> None:
    """Bind every lab to LEVEL at once, until the brake lapses or is ratified; for parties that the terms name."""
    from standstill.v1 import decision_pb2, header_pb2

    def make(view: View) -> pb.Draft:
        return _draft(header_pb2.KIND_BRAKE, decision_pb2.Brake(level=view.rank(level), reason=reason))

    _say(config, "brake", make, f"uses the brake of {level}", as_json=as_json)


@click.command()
@config_options
@click.argument("indicator")
@click.argument("value", type=click.IntRange(0))
@click.option("--lab", help="Whose models were measured; this party itself if absent.")
@click.option("--low", type=click.IntRange(0), help="Lower end of the interval.")
@click.option("--high", type=click.IntRange(0), help="Upper end of the interval.")
@click.option("--plan", default="", help="SHA-256 of the plan that was committed before, hexadecimal.")
@click.option("--period", type=click.IntRange(0), help="Period of the measurement; the one now running if absent.")
@json_option
def report(
    *, config: Path, indicator: str, lab: str | None, plan: str, period: int | None, as_json: bool, **figures: Any
) -> None:
    """Report VALUE of INDICATOR, a whole number in the indicator's unit."""
    from cli.node_view import chosen
    from standstill.v1 import evidence_pb2, header_pb2

    digest = _digest(plan)

    def make(view: View) -> pb.Draft:
        chosen("INDICATOR", indicator, view.terms.indicators)
        body = evidence_pb2.IndicatorReport(indicator=indicator, lab=lab or view.party, plan=digest, **figures)
        return _draft(header_pb2.KIND_INDICATOR_REPORT, body, period=view.running(period))

    _say(config, "report", make, f"reports {indicator} {figures['value']}", as_json=as_json)


@click.command()
@config_options
@click.argument("event")
@click.option("--happened/--not-happened", default=None, callback=_either, help="One of the two is required.")
@click.option("--level", default="", help="Level that it is said for; none if absent.")
@json_option
def event(config: Path, event: str, happened: bool, level: str, as_json: bool) -> None:
    """Report whether EVENT, one that the terms name, has happened."""
    from cli.node_view import chosen
    from standstill.v1 import evidence_pb2, header_pb2

    def make(view: View) -> pb.Draft:
        chosen("EVENT", event, view.terms.events)
        rank = view.rank(level) if level else 0
        body = evidence_pb2.EventReport(event=event, level=rank, happened=happened)
        return _draft(header_pb2.KIND_EVENT_REPORT, body)

    _say(config, "event", make, f"says that {event} has {'' if happened else 'not '}happened", as_json=as_json)


@click.command()
@config_options
@click.argument("exemption")
@click.option("--level", required=True, help="Level that grants it on request.")
@click.option("--periods", type=click.IntRange(1), required=True, help="How long the grant shall last.")
@click.option("--teraflop", type=click.IntRange(0), help="Most operations; the exemption's own cap if absent.")
@click.option("--chip-seconds", type=click.IntRange(0), help="Most chip-seconds; the exemption's own cap if absent.")
@click.option("--purpose", default="", help="What for, for people; at most 1,000 characters.")
@json_option
def request(config: Path, level: str, as_json: bool, **asked: Any) -> None:
    """Ask for EXEMPTION, one that LEVEL grants on request. Voters grant it: `vote exempt LAB`."""
    from cli.node_view import chosen
    from standstill.v1 import decision_pb2, header_pb2

    def make(view: View) -> pb.Draft:
        rank = view.rank(level)
        known = {one.name: one for one in view.terms.levels[rank].exemptions if one.on_request}
        chosen("EXEMPTION", asked["exemption"], known)
        return _draft(header_pb2.KIND_EXEMPTION_REQUEST, decision_pb2.ExemptionRequest(level=rank, **asked))

    _say(config, "request", make, f"asks for {asked['exemption']} of {level}", as_json=as_json)


@click.command()
@config_options
@click.argument("lab")
@click.argument("question")
@click.option("--period", type=click.IntRange(0), help="Period that it is about; the one now running if absent.")
@json_option
def ask(config: Path, lab: str, question: str, period: int | None, as_json: bool) -> None:
    """Ask LAB to explain something. The terms say how long it may take to answer."""
    from cli.node_view import chosen
    from standstill.v1 import header_pb2, inquiry_pb2

    def make(view: View) -> pb.Draft:
        chosen("LAB", lab, dict.fromkeys(view.terms.labs))
        body = inquiry_pb2.Clarification(question=question, period=view.running(period))
        draft = _draft(header_pb2.KIND_CLARIFICATION, body)
        draft.inquiry.lab = lab
        return draft

    _say(config, "ask", make, f"asks {lab}", as_json=as_json)


@click.command()
@config_options
@click.argument("text")
@click.option("--to", default="", help="Beginning of the question's identity; may be absent where only one waits.")
@json_option
def reply(config: Path, text: str, to: str, as_json: bool) -> None:
    """Answer with TEXT the question that waits for this lab."""
    from cli.node_view import question_of
    from standstill.v1 import header_pb2, inquiry_pb2

    def make(view: View) -> pb.Draft:
        draft = _draft(header_pb2.KIND_REPLY, inquiry_pb2.Reply(text=text))
        draft.inquiry.lab, draft.inquiry.question = view.party, question_of(view, to)
        return draft

    _say(config, "reply", make, "answers", as_json=as_json)


COMMANDS: Final = (vote, brake, report, event, request, ask, reply)


def _draft(kind: Any, body: Message, period: int | None = None) -> pb.Draft:
    from protocol.wire import encode
    from standstill.v1 import node_admin_service_pb2 as pb

    return pb.Draft(kind=kind, body=encode(body), period=period)


def _say(
    config: Path,
    name: str,
    make: Callable[[View], pb.Draft],
    words: str,
    *,
    as_json: bool,
    only_print: bool = False,
) -> None:
    """Make a statement of what the node knows, publish it, and say where it stands."""
    from cli.node_view import read_view
    from cli.publish_format import as_statement
    from standstill.v1 import node_admin_service_pb2 as pb

    with node_at(config) as (admin, settings):
        draft = make(read_view(admin.GetOwnState(pb.GetOwnStateRequest())))
        published = None if only_print else admin.Publish(pb.PublishRequest(drafts=[draft]))
    said = as_statement(draft)
    if published is None:
        click.echo(json.dumps(plain(said), ensure_ascii=False))
    elif as_json:
        answer(f"standstill/node.{name}/1", "done", {"statement": standing(published), "said": said})
    else:
        click.echo(f"{settings.party} {words}; {sentence(published)}")
