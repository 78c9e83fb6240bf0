"""The auditor's profile: a directory with who they are, whom they ask, and what they trust.

    tls.key, tls.crt   the auditor's own key and certificate
    verifier.crt       the verifier's certificate, given by its operator; no other is accepted
    verifier.toml      where the verifier answers
    trust              SHA-256 of the agreement, hexadecimal, obtained another way than from the verifier

Nothing is asked before all five are there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from pydantic import Field

from cli.audit import trust
from daemon.config import ConfigError, Settings, load_config
from daemon.tls import DOMAIN, Identity, load_certificate, read_certificate
from protocol.errors import Reason, Refused

VERIFIER_CERTIFICATE: Final = "verifier.crt"
SETTINGS: Final = "verifier.toml"
ENVIRONMENT: Final = "STANDSTILL_PROFILE"
DEFAULT: Final = "~/.config/standstill"


class ProfileSettings(Settings):
    """Everything that an auditor's commands are told."""

    address: str = Field(description="host:port at which the verifier answers auditors")


@dataclass(frozen=True, slots=True)
class Profile:
    """Who asks whom, under which agreement.

    Attributes:
        own: the auditor's key and certificate.
        peer: the verifier's certificate, PEM.
        name: the verifier's name, which its certificate is made out to.
        address: "host:port".
        pinned: SHA-256 of the agreement, 32 bytes.
    """

    own: Identity
    peer: bytes
    name: str
    address: str
    pinned: bytes


def directory(given: str | None) -> Path:
    """The profile's directory: as given, from the environment, or the usual one."""
    return Path(given or os.environ.get(ENVIRONMENT) or DEFAULT).expanduser()


def load_profile(given: str | None, address: str | None, trusted: str | None) -> Profile:
    """Read a profile; `address` and `trusted` (as in `--trust`) come before what it says.

    Raises:
        ConfigError: what is missing, all at once, with what to do about it.
        Refused: SECRET_EXPOSED, SECRET_MALFORMED.
        click.UsageError: for a digest that is none.
    """
    home = directory(given)
    needed = {
        "tls.key": "make a profile: standstill audit init --dir " + str(home),
        "tls.crt": "make a profile: standstill audit init --dir " + str(home),
        VERIFIER_CERTIFICATE: "put the verifier's certificate there; its operator has it as tls.crt",
    }
    if address is None:
        needed[SETTINGS] = 'write address = "HOST:PORT" into it, or use --verifier'
    if trusted is None:
        needed[trust.FILE] = "write the agreement's SHA-256 into it, as you got it from somebody else, or use --trust"
    missing = [f"{home / name}: missing; {what}" for name, what in needed.items() if not (home / name).is_file()]
    if missing:
        raise ConfigError(missing)
    peer = read_certificate(home / VERIFIER_CERTIFICATE)
    return Profile(
        own=load_certificate(home),
        peer=peer,
        name=name_in(peer),
        address=address or load_config(home / SETTINGS, ProfileSettings).address,
        pinned=trust.pinned(trusted) if trusted is not None else trust.read(str(home / trust.FILE)),
    )


def name_in(pem: bytes) -> str:
    """The party that a certificate (PEM) is made out to.

    Raises:
        Refused: SECRET_MALFORMED if it is made out to none.
    """
    certificate = x509.load_pem_x509_certificate(pem)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    for name in names.get_values_for_type(x509.DNSName):
        if name.endswith(f".{DOMAIN}"):
            return name.removesuffix(f".{DOMAIN}")
    what = f"expected a certificate made out to a name under {DOMAIN}, as init writes them"
    raise Refused(Reason.SECRET_MALFORMED, VERIFIER_CERTIFICATE, what)
