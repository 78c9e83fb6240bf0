"""`standstill verifier`: make, found and run a verifier."""

from __future__ import annotations

from pathlib import Path

import click

from cli.output import Exit, answer, hint, json_option

CONFIG = "verifier.toml"

directory = click.option(
    "--dir",
    "home",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="The verifier's directory; the working directory if absent.",
)


@click.group()
def command() -> None:
    """The daemon that checks, cosigns, closes periods and assesses."""


@command.command()
@click.option("--party", required=True, help="Name in the agreement: lower case letters, digits, hyphens.")
@click.option("--owner", required=True, help="Control group: the owner with whom it counts once.")
@click.option("--listen", default="127.0.0.1:7444", show_default=True, help="host:port for auditors and parties.")
@click.option("--root-keys", type=click.IntRange(1, 16), default=1, show_default=True, help="Root keys to make.")
@click.option("--root-threshold", type=click.IntRange(1, 16), default=1, show_default=True, help="How many must sign.")
@directory
@json_option
def init(
    *, party: str, owner: str, listen: str, root_keys: int, root_threshold: int, home: Path, as_json: bool
) -> None:
    """Make keys, certificate, configuration and the public descriptor for the agreement."""
    from daemon.enrolment import Newcomer, enrol, write_config
    from standstill.v1 import agreement_pb2
    from verifier.config import VerifierSettings

    newcomer = Newcomer(
        name=party,
        roles=[agreement_pb2.ROLE_VERIFIER],
        owner=owner,
        root_keys=root_keys,
        root_threshold=root_threshold,
    )
    home.mkdir(parents=True, exist_ok=True)
    enrolled = enrol(newcomer, home)
    write_config(home / CONFIG, VerifierSettings(party=party, listen=listen))
    files = [*enrolled.files, CONFIG]
    if as_json:
        answer("standstill/verifier.init/1", "done", {"dir": str(home), "files": files})
        return
    click.echo(f"wrote in {home}: {', '.join(files)}")
    hint("Move keys/root-*.key to offline media once the agreement is founded.")
    hint("Next: give party.txtpb to whoever compiles the agreement; add [peer.NAME] to verifier.toml; verifier found.")


@command.command()
@click.option(
    "--agreement", "terms", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True,
    help="The compiled agreement.",
)  # fmt: skip
@click.option("--digest", required=True, help="Its SHA-256, hexadecimal, told by a way that you trust.")
@click.option("--root-keys", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Directory of them.")
@click.option(
    "--signed", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Acceptances collected with `agreement sign`; your Founding is taken from it.",
)  # fmt: skip
@directory
@json_option
def found(*, terms: Path, digest: str, root_keys: Path | None, signed: Path | None, home: Path, as_json: bool) -> None:
    """Accept an agreement by its digest and begin the log with Founding and KeySet."""
    import verifier.schema  # noqa: F401 - its tables belong to the store
    from cli.digest import parse_digest
    from daemon import enrolment
    from daemon.clock import open_clock
    from daemon.config import load_config
    from protocol.signing import read_signing
    from verifier.config import VerifierSettings

    settings = load_config(home / CONFIG, VerifierSettings)
    clock = open_clock(settings.clock, home)
    config = home / CONFIG
    agreed = parse_digest(digest)
    collected = read_signing(signed.read_bytes()) if signed else None
    head = enrolment.found(config, settings, terms.read_bytes(), agreed, clock, root_keys=root_keys, signed=collected)
    data = {"party": settings.party, "size": head.size, "digest": digest}
    if as_json:
        answer("standstill/verifier.found/1", "done", data)
        return
    click.echo(f"{settings.party}: Founding and KeySet 1 are logged under agreement {digest[:16]}")


@command.command()
@directory
@click.option("--check", is_flag=True, help="Derive the whole of its own logs again before it starts.")
def run(*, home: Path, check: bool) -> int:
    """Run the verifier until it is told to stop."""
    from daemon.config import load_config
    from daemon.journal import open_journal
    from verifier.config import VerifierSettings
    from verifier.daemon import Daemon

    settings = load_config(home / CONFIG, VerifierSettings)
    open_journal(f"verifier {settings.party}")
    code = Daemon(settings, home, full_check=check).run()
    return Exit.DONE if code == 0 else Exit.FAULT
