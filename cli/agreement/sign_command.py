"""`standstill agreement sign`: accept terms with root keys, one after another, at whatever places they lie."""

from __future__ import annotations

import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.agreement.files import FILE, STDIN, Terms, read_terms
from cli.agreement.findings import reading
from cli.agreement.show_command import view_of
from cli.output import Exit, answer, end, hint, json_option

if TYPE_CHECKING:
    from protocol.signing import Signing

_TYPED_DIGITS = 8


@click.command("sign")
@click.argument("file", type=FILE)
@click.option("--as", "party", required=True, help="Party that accepts.")
@click.option("--root-key", type=FILE, required=True, help="One of its root keys.")
@click.option("-o", "--output", type=FILE, help="File with all acceptances; FILE.signed if absent.")
@click.option("--yes", is_flag=True, help="Sign without asking: you have read the page and compared the digest.")
@json_option
def command(*, file: Path, party: str, root_key: Path, output: Path | None, yes: bool, as_json: bool) -> None:
    """Show the page of the compiled terms in FILE, and accept them with one root key.

    The signatures collect in FILE.signed, which goes round; everybody signs the same bytes. A party whose keys are
    complete can begin its log with them: `standstill node found --signed`.

    Exit codes: 0 signed, 2 not the terms or not a key of the party, 5 a signature in the file is false, 6 declined.
    """
    from daemon.files import write_whole
    from daemon.keyfiles import read_seed
    from protocol.signing import accept

    read = reading(file, lambda: read_terms(file))
    target = output or _beside(file)
    collected = _collected(read, target)
    seed = read_seed(root_key)
    salts = secrets.token_bytes(32), secrets.token_bytes(32)
    signed = accept(collected, party, seed, salts=salts, time=int(time.time()))
    if not as_json:
        _show(read, collected)
    if not yes:
        _confirm(collected)
    write_whole(target, signed.encode())
    _answer(signed, party, target, as_json=as_json)


def _beside(file: Path) -> Path:
    if file == STDIN:
        raise click.UsageError("standard input has no name: give -o FILE")
    return file if file.suffix == ".signed" else file.with_name(f"{file.name}.signed")


def _collected(read: Terms, target: Path) -> Signing:
    """The acceptances so far: those in the file, or those that are collected beside it."""
    from protocol.agreement import read_agreement
    from protocol.errors import Reason, require
    from protocol.signing import begin, read_signing

    if read.data is None or read.source:
        raise click.ClickException(
            f"{read.file}: expected compiled terms, as everybody signs the same bytes; compile it"
        )
    collected = read.signing or begin(read_agreement(read.data))
    if not target.exists():
        return collected
    known = read_signing(target.read_bytes())
    same = known.agreement.digest == collected.agreement.digest
    what = f"expected signatures of {collected.agreement.digest.hex()}, found those of {known.agreement.digest.hex()}"
    require(same, Reason.TRUST_ROOT_MISMATCH, str(target), what)
    # What lies at the target would be lost if the file that was named had fewer.
    missing = [name for name, leaf in known.foundings.items() if collected.foundings.get(name) != leaf]
    return known if missing and read.signing is None else _require_all(collected, missing, target)


def _require_all(collected: Signing, missing: list[str], target: Path) -> Signing:
    if missing:
        found = f"{target}: has acceptances of {', '.join(missing)} that the signed file lacks; sign that file instead"
        raise click.ClickException(found)
    return collected


def _show(read: Terms, collected: Signing) -> None:
    from dataclasses import replace

    from language.page import page

    click.echo(page(view_of(replace(read, signing=collected))))


def _confirm(collected: Signing) -> None:
    """What cannot be undone wants the beginning of the digest, which the signer was told by another way."""
    if not sys.stdin.isatty():
        raise click.UsageError("no terminal to ask at: compare the digest and give --yes")
    typed = click.prompt(f"To sign, type the first {_TYPED_DIGITS} digits of the digest", default="", err=True)
    if typed.strip().lower() != collected.agreement.digest.hex()[:_TYPED_DIGITS]:
        hint("nothing was signed")
        end(Exit.REFUSED)


def _answer(signed: Signing, party: str, target: Path, *, as_json: bool) -> None:
    from protocol.signing import progress

    found = progress(signed)
    founders = signed.agreement.terms.founding
    own, missing = found[party], [name for name in founders if not found[name].complete]
    if as_json:
        data = {
            "digest": signed.agreement.digest,
            "party": party,
            "file": target,
            "keys_signed": own.signed,
            "keys_needed": own.needed,
            "complete": [name for name in founders if found[name].complete],
            "missing": missing,
        }
        answer("standstill/agreement.sign/1", "done", data)
        return
    rest = f"missing: {', '.join(missing)}" if missing else "all founders have signed"
    click.echo(f"{party}: {own.signed} of {own.needed} root keys have signed; {rest}")
    hint(f"wrote {target}. Pass it on, or: standstill node found --agreement FILE --signed {target}")
