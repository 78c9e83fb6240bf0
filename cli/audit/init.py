"""`standstill audit init`: the auditor's key, certificate and profile, and what to exchange with the operator."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from cli.audit import trust
from cli.audit.profile import SETTINGS, VERIFIER_CERTIFICATE, ProfileSettings, directory, name_in
from cli.output import answer, json_option
from daemon.config import explain
from daemon.tls import CERTIFICATE_FILE, KEY_FILE, fingerprint, make_certificate, read_certificate

SCHEMA: Final = "standstill/audit.init/1"
_EXISTING: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--dir", "given", metavar="DIR", help="Where to put the profile.  [default: ~/.config/standstill]")
@click.option("--name", default="auditor", show_default=True, help="Your name at the verifier.")
@click.option("--verifier", metavar="HOST:PORT", help="Where the verifier answers.")
@click.option("--certificate", type=_EXISTING, help="The verifier's certificate (its operator's tls.crt).")
@click.option("--trust", "trusted", metavar="FILE|HEX", help="SHA-256 of the agreement, obtained another way.")
@json_option
def command(
    given: str | None, name: str, verifier: str | None, certificate: Path | None, trusted: str | None, as_json: bool
) -> None:
    """Make your key and certificate, and say what to exchange with the verifier's operator.

    Exit codes: 0 done, 2 a profile is there already (nothing is overwritten).
    """
    home = directory(given)
    # Read before anything is written: a wrong option leaves no half a profile.
    peer = None if certificate is None else read_certificate(certificate)
    if peer is not None:
        name_in(peer)
    digest = None if trusted is None else trust.pinned(trusted)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    own = make_certificate(name, home)
    written = [KEY_FILE, CERTIFICATE_FILE]
    if peer is not None:
        (home / VERIFIER_CERTIFICATE).write_bytes(peer)
        written.append(VERIFIER_CERTIFICATE)
    if verifier is not None:
        (home / SETTINGS).write_text(explain(ProfileSettings(address=verifier)), "utf-8")
        written.append(SETTINGS)
    if digest is not None:
        (home / trust.FILE).write_text(digest.hex() + "\n", "utf-8")
        written.append(trust.FILE)
    missing = [file for file in (VERIFIER_CERTIFICATE, SETTINGS, trust.FILE) if not (home / file).is_file()]
    if as_json:
        data = {"directory": home, "written": written, "missing": missing, "fingerprint": fingerprint(own.certificate)}
        answer(SCHEMA, "done", data)
    else:
        _say(home, name, written, missing, fingerprint(own.certificate))


def _say(home: Path, name: str, written: list[str], missing: list[str], found: str) -> None:
    click.echo(f"{home}: wrote {', '.join(written)} (the key is readable by you alone)")
    click.echo(f"Give the verifier's operator {home / CERTIFICATE_FILE}, and compare its fingerprint by another way:")
    click.echo(f"  {found}")
    click.echo("They put it beside verifier.toml and add:")
    click.echo(f'  [auditor.{name}]\n  certificate = "{name}.crt"\n  reader = "verifier"')
    wanted = {
        VERIFIER_CERTIFICATE: "the verifier's certificate, its operator's tls.crt",
        SETTINGS: 'one line, address = "HOST:PORT" of the verifier',
        trust.FILE: "the agreement's SHA-256 in hexadecimal, from somebody else than the verifier",
    }
    for file in missing:
        click.echo(f"Still to put there: {file}: {wanted[file]}")
    click.echo(f"Then: standstill audit status --profile {home}")
