"""Keys: those of the root name others, take them back and give notice; seats of a council have their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.node_call import DIRECTORY, FILE, config_options
from cli.output import answer, hint, json_option, plain

if TYPE_CHECKING:
    from standstill.v1 import decision_pb2

ROOT_KEYS: Final = click.option("--root-keys", type=DIRECTORY, required=True, help="Directory of the root keys.")


@click.group()
def keys() -> None:
    """Name new operational keys with the root keys. The node must not run meanwhile.

    Exit codes: 0 logged, 2 keys or configuration, 7 the node runs, its store is behind, or the machine failed.
    """


@keys.command()
@ROOT_KEYS
@config_options
@json_option
def rotate(config: Path, root_keys: Path, as_json: bool) -> None:
    """Make a new statement key and log it; the old one signs nothing any more. Can be repeated after a crash."""
    _rotate(config, root_keys, 0, "rotate", as_json=as_json)


@keys.command()
@ROOT_KEYS
@click.option(
    "--from", "first", type=click.IntRange(1), required=True, help="Index of the first statement to be taken back."
)
@config_options
@json_option
def revoke(config: Path, root_keys: Path, first: int, as_json: bool) -> None:
    """Like rotate, after a theft: statements from an index on count for nothing unless they are recorded already."""
    _rotate(config, root_keys, first, "revoke", as_json=as_json)


def _rotate(config: Path, root_keys: Path, first: int, name: str, *, as_json: bool) -> None:
    from node.ceremony import rotate as make

    made = make(config, root_keys, first)
    if as_json:
        data = {"party": made.party, "version": made.version, "public_key": made.public_key, "size": made.size}
        answer(f"standstill/node.keys.{name}/1", "done", data | {"revoked_from": first or None})
        return
    taken = f"; what was signed from index {first} on is taken back unless it is recorded" if first else ""
    click.echo(f"{made.party}: KeySet {made.version} names {made.public_key.hex()[:8]}{taken}")
    hint("Take the root keys offline again. Next: standstill node run")


@click.command()
@ROOT_KEYS
@click.option("--reason", default="", help="For people; at most 1,000 characters.")
@config_options
@json_option
def withdraw(config: Path, root_keys: Path, reason: str, as_json: bool) -> None:
    """Give notice of leaving the agreement, with the root keys. All duties go on until the exit that the terms set.

    Exit codes as those of `keys`.
    """
    from node.ceremony import withdraw as give_notice

    index = give_notice(config, root_keys, reason)
    if as_json:
        answer("standstill/node.withdraw/1", "done", {"index": index})
        return
    click.echo(f"index {index}: notice of withdrawal")
    hint("Nothing ends yet: keep the node running until the exit. Take the root keys offline again")


@click.group()
def seat() -> None:
    """Keys and signatures of the seats of a council, for whoever holds one. Nothing is contacted."""


@seat.command("new")
@click.argument("file", type=FILE)
@json_option
def new_seat(file: Path, as_json: bool) -> None:
    """Make the key of a seat in FILE; the public key stands in the agreement."""
    import secrets

    from daemon.keyfiles import SEED_BYTES, write_seed
    from protocol.keys import public_key

    seed = secrets.token_bytes(SEED_BYTES)
    write_seed(file, seed)
    if as_json:
        answer("standstill/node.seat.new/1", "done", {"file": file, "public_key": public_key(seed)})
        return
    shown = "".join(f"\\x{byte:02x}" for byte in public_key(seed))
    click.echo(f'public_key: "{shown}"')
    hint(f"wrote {file}. In party.txtpb of its council: seats {{ name: CLASS seats {{ name, owner, public_key }} }}")


@seat.command("sign")
@click.argument("file", type=click.File("r", encoding="utf-8"))
@click.option("--key", type=FILE, required=True, help="Key of the seat.")
@click.option(
    "--agreement", "terms", type=FILE, required=True, help="Compiled terms, which you compare by their digest."
)
@click.option("--digest", required=True, help="SHA-256 of the terms, as you were told by a way that you trust.")
def sign_seat(file: Any, key: Path, terms: Path, digest: str) -> None:
    """Sign the ballot in FILE (- is standard input), as `vote --print` wrote it; the council publishes the result.

    Exit codes: 0 signed, 2 no ballot of a seat, or no key, 5 other terms than the digest names.
    """
    from cli.agreement.files import read_bytes
    from cli.digest import parse_digest
    from cli.publish_format import as_statement, read_drafts
    from daemon.keyfiles import read_seed
    from protocol.agreement import pin
    from protocol.errors import Reason, require
    from protocol.seats import sign_ballot
    from protocol.wire import encode
    from standstill.v1 import decision_pb2, header_pb2

    agreement = pin(read_bytes(terms), parse_digest(digest))
    (draft,) = read_drafts(file.read(), {})[:1]
    is_ballot = draft.kind == header_pb2.KIND_BALLOT
    require(is_ballot, Reason.KIND_UNKNOWN, "kind", "expected a Ballot, as `vote --print` writes it")
    ballot = decision_pb2.Ballot.FromString(draft.body)
    require(bool(ballot.seat), Reason.SEAT_UNKNOWN, "body.seat", "expected the ballot of a seat: `vote --seat`")
    hint(_in_words(ballot))
    draft.body = encode(sign_ballot(agreement.digest, ballot, read_seed(key)))
    click.echo(json.dumps(plain(as_statement(draft)), ensure_ascii=False))


def _in_words(ballot: decision_pb2.Ballot) -> str:
    """What somebody signs, for people."""
    from protocol.decisions import asked_by

    parts = [f"{'yes' if ballot.yes else 'no'} to {asked_by(ballot).name}"]
    parts += [f"level {ballot.level}"] if ballot.level else []
    parts += [f"episode {ballot.episode}"] if ballot.episode else []
    parts += [part for part in (ballot.about, ballot.rule, ballot.asked.hex()) if part]
    return f"{ballot.seat} signs its ballot {ballot.serial}: {', '.join(parts)}"


COMMANDS: Final = (keys, withdraw, seat)
