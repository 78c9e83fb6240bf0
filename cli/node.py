"""`standstill node`: make a party, found its log, run its daemon, and speak to the daemon that runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli import node_keys, node_say
from cli.node_call import CONFIG, DIRECTORY, FILE, config_options, node_at, sentence, standing
from cli.output import Exit, answer, end, hint, json_option

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from cli.node_waiting import Waiting
    from standstill.v1 import node_admin_service_pb2 as pb

ROLES: Final = ("lab", "supplier", "meter", "evaluator", "council")


@click.group("node")
def command() -> None:
    """Run the daemon of a lab, supplier, meter operator, evaluator or council, and speak for it."""


@command.command()
@click.option("--party", required=True, help="Name in the agreement: lower case letters, digits, hyphens.")
@click.option("--role", "roles", type=click.Choice(ROLES), multiple=True, required=True, help="What it does; repeat.")
@click.option("--owner", required=True, help="Control group: who stands behind it, and votes once.")
@click.option("--site", "sites", multiple=True, help="Site of a lab, by a name that stays on this machine; repeat.")
@click.option("--metered-by", default="", help="Party that reads the sites' energy independently.")
@click.option("--pue", nargs=2, type=float, default=(1.0, 2.0), show_default=True, help="Least and greatest PUE.")
@click.option("--dir", "directory", type=DIRECTORY, required=True, help="New directory of the party.")
@click.option("--listen", default="127.0.0.1:7443", show_default=True, help="host:port for peers; port 0: any.")
@click.option("--root-keys", type=click.IntRange(1, 16), default=1, show_default=True, help="Root keys to make.")
@click.option("--root-threshold", type=click.IntRange(1, 16), default=1, show_default=True, help="How many must sign.")
@json_option
def init(directory: Path, listen: str, as_json: bool, **about: Any) -> None:
    """Make keys, certificate, configuration and public descriptor of a new party. Nothing is overwritten."""
    from daemon.enrolment import enrol, write_config
    from node.config import NodeSettings, SiteSettings

    made = enrol(_newcomer(**about), directory)
    sites = {name: SiteSettings(handle=handle.hex()) for name, handle in made.handles.items()}
    write_config(directory / CONFIG, NodeSettings(party=about["party"], listen=listen, site=sites))
    files = [str(directory / name) for name in (*made.files, CONFIG)]
    if as_json:
        answer("standstill/node.init/1", "done", {"files": files, "party": about["party"]})
        return
    for name in files:
        click.echo(f"wrote {name}")
    hint(
        f"Give {directory / 'party.txtpb'} to whoever compiles the agreement, {directory / 'tls.crt'} to your peers.\n"
        f"Then: standstill node found --agreement FILE --digest HEX --dir {directory}"
    )


def _newcomer(
    party: str,
    roles: tuple[str, ...],
    owner: str,
    sites: tuple[str, ...],
    metered_by: str,
    pue: tuple[float, float],
    root_keys: int,
    root_threshold: int,
) -> Any:
    from daemon.enrolment import Newcomer
    from standstill.v1 import agreement_pb2

    return Newcomer(
        name=party,
        roles=[agreement_pb2.Role.Value(f"ROLE_{role.upper()}") for role in roles],
        owner=owner,
        sites=sites,
        metered_by=metered_by,
        pue_milli=(round(pue[0] * 1000), round(pue[1] * 1000)),
        root_keys=root_keys,
        root_threshold=root_threshold,
    )


@command.command("found")
@click.option("--agreement", "terms", type=FILE, required=True, help="Compiled terms.")
@click.option("--digest", required=True, help="SHA-256 of the terms, as you were told by a way that you trust.")
@click.option("--root-keys", type=DIRECTORY, help="Directory of the root keys; keys/ of the party if absent.")
@click.option(
    "--signed", type=FILE, help="Acceptances collected with `agreement sign`; your Founding is taken from it."
)
@config_options
@json_option
def found_log(
    *, config: Path, terms: Path, digest: str, root_keys: Path | None, signed: Path | None, as_json: bool
) -> None:
    """Accept the agreement with your root keys, and begin the log. Can be repeated; nothing is signed twice."""
    from cli.agreement.files import read_bytes
    from cli.digest import parse_digest
    from daemon.config import load_config
    from daemon.enrolment import found
    from node.config import NodeSettings
    from node.daemon import clock_of
    from protocol.signing import read_signing

    settings = load_config(config, NodeSettings)
    clock = clock_of(settings, config.resolve().parent)
    collected = read_signing(read_bytes(signed)) if signed else None
    data = read_bytes(terms)
    head = found(config, settings, data, parse_digest(digest), clock, root_keys=root_keys, signed=collected)
    if as_json:
        said = {"party": settings.party, "digest": digest, "size": head.size, "root": head.root}
        answer("standstill/node.found/1", "done", said)
        return
    click.echo(f"{settings.party} accepts {digest[:8]}; its log has {head.size} statements, root {head.root.hex()[:8]}")
    hint("Keep the root keys offline from now on. Next: peers and sites in node.toml, then standstill node run")


@command.command("run")
@config_options
@click.option("--check", is_flag=True, help="Derive the whole log again first, not only its end.")
def run_daemon(config: Path, check: bool) -> None:
    """Serve the log and attest, until SIGTERM. Ready once a line that begins with READY stands on standard output."""
    from node.daemon import run_node

    run_node(config, full_check=check)


@command.command()
@config_options
@click.option("--period", type=click.IntRange(0), help="Number of the period; the last one that ended if absent.")
@click.option("--dry-run", is_flag=True, help="Only show what would be said.")
@json_option
def attest(config: Path, period: int | None, dry_run: bool, as_json: bool) -> None:
    """Attest a period from the node's collectors."""
    from cli.publish_format import as_statement
    from standstill.v1 import node_admin_service_pb2 as pb

    with node_at(config) as (admin, settings):
        made = admin.Attest(pb.AttestRequest(period=period, dry_run=dry_run))
    names = {bytes.fromhex(site.handle): name for name, site in settings.site.items()}
    drafts = [as_statement(draft, names) for draft in made.drafts]
    if as_json:
        statement = standing(made.published) if made.HasField("published") else None
        answer("standstill/node.attest/1", "done", {"drafts": drafts, "statement": statement})
        return
    for draft in made.drafts:
        for line in _lines(draft, names):
            click.echo(line)
    click.echo("nothing was published" if dry_run else sentence(made.published))


@command.command()
@config_options
@click.argument("file", type=click.File("r", encoding="utf-8"))
@json_option
def publish(config: Path, file: Any, as_json: bool) -> None:
    """Sign and log the statements in FILE (- is standard input), JSON: all of them or none."""
    from cli.publish_format import read_drafts
    from daemon.config import load_config
    from node.config import NodeSettings
    from standstill.v1 import node_admin_service_pb2 as pb

    settings = load_config(config, NodeSettings)
    handles = {name: bytes.fromhex(site.handle) for name, site in (settings.site | settings.meter).items()}
    drafts = read_drafts(file.read(), handles)
    with node_at(config) as (admin, _):
        published = admin.Publish(pb.PublishRequest(drafts=drafts))
    if as_json:
        answer("standstill/node.publish/1", "done", {"statement": standing(published)})
        return
    click.echo(sentence(published))


@command.command()
@config_options
@json_option
def status(config: Path, as_json: bool) -> None:
    """Say what the node holds and owes. Exit 1: something is owed."""
    from cli.node_view import read_view
    from cli.node_waiting import waiting
    from standstill.v1 import node_admin_service_pb2 as pb

    with node_at(config) as (admin, _):
        found = admin.GetStatus(pb.GetStatusRequest())
        waits = waiting(read_view(admin.GetOwnState(pb.GetOwnStateRequest())))
    code = Exit.NOT_CONFIRMED if found.owed else Exit.DONE
    if as_json:
        said = "not_confirmed" if found.owed else "confirmed"
        answer("standstill/node.status/1", said, _status_data(found, waits), exit_code=code, as_of=found.now)
    else:
        for line in status_lines(found, waits):
            click.echo(line)
    end(code)


def _body(draft: pb.Draft) -> Message:
    from protocol.statements import KINDS

    return KINDS[draft.kind].body.FromString(draft.body)


def _lines(draft: pb.Draft, names: dict[bytes, str]) -> Iterator[str]:
    """What an attestation says, in a few lines."""
    from standstill.v1 import compute_pb2
    from standstill.v1 import quantity_pb2 as q

    body = _body(draft)
    site = names.get(draft.site, draft.site.hex())
    if not isinstance(body, compute_pb2.ComputeAttestation):
        yield f"{site} P{draft.period}: {' '.join(str(body).split())}"
        return
    chips = ", ".join(f"{row.chips.value:,} {row.chip_class}" for row in body.inventory)
    energy = f"{body.energy.value:,} Wh" if body.HasField("energy") else "energy not measured"
    yield f"{site} P{draft.period}: {chips} | {energy}"
    for row in body.use:
        label = q.Label.Name(row.label).removeprefix("LABEL_").lower() + (
            f" ({row.exemption})" if row.exemption else ""
        )
        operations = f", {row.operations.value:,} teraFLOP" if row.HasField("operations") else ""
        yield f"  {label:<12} {row.chip_class:<16} {row.held.value:>16,} chip-seconds{operations}"


def _status_data(found: pb.GetStatusResponse, waits: Sequence[Waiting]) -> dict[str, Any]:
    from cli.publish_format import as_table

    return {
        "party": found.party,
        "agreement": found.agreement,
        "origin": found.origin,
        "size": found.size,
        "root": found.root,
        "now": found.now,
        "period": found.period if found.HasField("period") else None,
        "attested": found.attested if found.HasField("attested") else None,
        "owed": list(found.owed),
        "waiting": [{"command": one.command, "about": one.about} for one in waits],
        "collectors": [{"site": one.site, "source": one.source, "state": one.state} for one in found.collectors],
        "order": {
            "level": found.level,
            "mode": found.mode or None,
            "sentence": found.level_line or None,
            "why": found.why or None,
            "exemptions": [as_table(one) for one in found.exemptions],
            "own_digest": found.own_digest or None,
            "final_digest": found.final_digest or None,
        },
    }


def status_lines(found: pb.GetStatusResponse, waits: Sequence[Waiting] = ()) -> Iterator[str]:
    """A status for people."""
    now = datetime.fromtimestamp(found.now, UTC)
    period = f"P{found.period} running" if found.HasField("period") else "the agreement has not started"
    yield f"{found.party}   agreement {found.agreement.hex()[:8]}   {now:%Y-%m-%d %H:%M:%S}Z   {period}"
    yield f"{'Log':<12}{found.origin}, {found.size:,} statements, root {found.root.hex()[:8]}"
    yield f"{'Attested':<12}{f'to P{found.attested}' if found.HasField('attested') else '-'}"
    owed = ", ".join(f"P{period}" for period in found.owed[:10])
    more = f" and {len(found.owed) - 10} more" if len(found.owed) > 10 else ""
    yield f"{'Owed':<12}{owed or '-'}{more}"
    yield from _order_lines(found)
    for wait in waits:
        yield f"{'Waiting':<12}{wait.about}: {wait.command}"
    for number, one in enumerate(found.collectors):
        yield f"{'Collectors' if number == 0 else '':<12}{one.site} ({one.source}): {one.state}"


def _order_lines(found: pb.GetStatusResponse) -> Iterator[str]:
    """What the party must keep now, which states say so, and why."""
    if not found.own_digest:
        yield f"{'Order':<12}unknown: the record is not followed. Give a verifier's address in node.toml"
        return
    if found.mode:
        yield f"{'Order':<12}{found.level_line}   [{found.mode}]"
    for one in found.exemptions:
        yield f"{'Exempt':<12}{one.name}: {', '.join(one.labels)}{_limits(one)}"
    own = f"own {found.own_digest.hex()[:8]}"
    final = f"final {found.final_digest.hex()[:8]}" if found.final_digest else "none final yet"
    yield f"{'State':<12}{own}, {final}"
    if found.why:
        yield f"{'Why':<12}{found.why}"


def _limits(one: pb.ExemptionStatus) -> str:
    """What is left of an exemption, in words."""
    if not one.applies:
        return "; needs a grant, and none runs: standstill node request"
    parts = []
    for limit in one.limits:
        figures = []
        if limit.HasField("chip_seconds"):
            figures.append(f"{limit.chip_seconds_left:,} of {limit.chip_seconds:,} chip-seconds")
        if limit.HasField("teraflop"):
            figures.append(f"{limit.teraflop_left:,} of {limit.teraflop:,} teraFLOP")
        unsure = f", {limit.unattested} attestations missing" if limit.unattested else ""
        if figures:
            parts.append(f"; left of {limit.by}: {', '.join(figures)}, P{limit.first} on{unsure}")
    return "".join(parts)


for _command in (*node_say.COMMANDS, *node_keys.COMMANDS):
    command.add_command(_command)
