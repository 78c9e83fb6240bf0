"""Configuration of a verifier: `verifier.toml`, every key explained by `standstill verifier init`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from daemon.config import Settings


class PeerSettings(Settings):
    """A party whose log is followed."""

    address: str = Field(description="host:port of the party's node")
    certificate: Path = Field(description="the party's TLS certificate, PEM, exchanged with the agreement")


class AuditorSettings(Settings):
    """Somebody who may ask questions."""

    certificate: Path = Field(description="the auditor's TLS certificate, PEM")
    reader: Literal["public", "party", "verifier"] = Field(
        default="verifier", description="what the auditor may see: public, party, or verifier for bodies and bundles"
    )


class VerifierSettings(Settings):
    """Everything that a verifier is told."""

    party: str = Field(description="name of this verifier in the agreement")
    agreement: Path = Field(default=Path("agreement"), description="file with the agreement's exact bytes")
    digest: str = Field(default="", description="SHA-256 of the agreement, hexadecimal: the trust root")
    store: str = Field(
        default="", description="sqlite:////absolute/path or postgresql://...; store.db beside this file if empty"
    )
    listen: str = Field(default="127.0.0.1:7444", description="host:port for auditors and other parties; port 0: any")
    clock: str = Field(default="system", description="system, or file:PATH for demos and tests")
    poll_seconds: int = Field(default=60, ge=1, description="seconds between two looks at each party's log")
    answer_seconds: float = Field(default=10.0, gt=0, description="seconds that a party has to answer one call")
    workers: int = Field(default=2, ge=0, le=64, description="processes that check signatures; 0: the daemon itself")
    chunk_leaves: int = Field(
        default=4_096, ge=1, le=65_536, description="leaves checked and committed at once when catching up"
    )
    mirror: bool = Field(
        default=False,
        description="only hold and prove the logs: trees are rebuilt, statement signatures are not checked, nothing is "
        "cosigned, closed or assessed; a store that was filled so cannot become a verifier's",
    )
    peer: dict[str, PeerSettings] = Field(default_factory=dict, description="parties by name")
    auditor: dict[str, AuditorSettings] = Field(default_factory=dict, description="auditors by name")
