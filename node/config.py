"""Configuration of a node: `node.toml`, every key explained by `node init`. Paths are relative to the file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from daemon.config import Settings

Handle = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
"""A site handle: 16 bytes, hexadecimal."""

Ppm = Annotated[int, Field(ge=0, le=1_000_000)]
"""A share or a relative uncertainty (one standard deviation), parts per million."""

Shift = Literal["none", "start"]
FILE: Final = "node.toml"


class PeerSettings(Settings):
    """Somebody who may call."""

    certificate: Path = Field(description="the peer's TLS certificate, PEM, exchanged with the agreement")
    reader: Literal["public", "party", "verifier"] = Field(
        default="party", description="what the peer may read: public, party, or verifier for bodies too"
    )
    address: str = Field(
        default="",
        description="host:port of a verifier: it is asked at start what it last saw of this log, and the record is\n"
        "followed through it, so that the node knows by itself what its party must keep; empty: neither",
    )


class SiteSettings(Settings):
    """A site of a lab."""

    handle: Handle = Field(description="site handle in the agreement, 32 hexadecimal digits")
    trace: Path | None = Field(
        default=None,
        description="export of the scheduler, or table of figures (docs/traces.md); read again when it changes.\n"
        "Replace it atomically (write beside it, then rename). Without it nothing is attested for this site.",
    )
    trace_site: str = Field(default="", description="name of this site in the trace; the table's own name if empty")
    mapping: Path | None = Field(default=None, description="rules that map work to labels (mapping.toml)")
    chip_class: str = Field(default="", description="class of chips whose record names none; empty: every record does")
    chips: int = Field(
        default=0,
        ge=0,
        description="installed chips where the trace does not state them; 0: the peak of concurrent use",
    )
    tz: str = Field(default="UTC", description="IANA time zone of times that state none")
    shift: Shift = Field(
        default="none",
        description="none: rows belong to the period that their time lies in.\n"
        "start: the trace is moved so that its first period is period 0 (replays, demos)",
    )
    energy_random_ppm: Ppm = Field(default=0, description="random uncertainty of watt-hours, ppm")
    energy_systematic_ppm: Ppm = Field(default=0, description="systematic uncertainty of watt-hours, ppm")
    format: Literal["bf16_dense", "fp8_dense"] = Field(
        default="bf16_dense", description="number format that operations are counted in: bf16_dense or fp8_dense"
    )
    utilisation_ppm: Ppm = Field(
        default=1_000_000,
        description="operations of training are calculated: chip-seconds x peak of the format x this share, ppm.\n"
        "1000000 states the ceiling, which is safe to say without measuring",
    )
    operations_systematic_ppm: Ppm = Field(default=0, description="systematic uncertainty of that share, ppm")


class MeterSettings(Settings):
    """A meter that this party reads at somebody's site; the table's name is the meter's."""

    handle: Handle = Field(description="handle of the site that the meter stands at, 32 hexadecimal digits")
    file: Path = Field(description="readings: period,watt_hours or hour,watt_hours; read again when it changes")
    shift: Shift = Field(default="none", description="none: hours are real. start: the first hour is period 0")
    random_ppm: Ppm = Field(default=0, description="random uncertainty of the meter, ppm")
    systematic_ppm: Ppm = Field(default=0, description="systematic uncertainty of the meter, ppm")


class NodeSettings(Settings):
    """Everything that a node is told."""

    party: str = Field(description="name of this party in the agreement")
    agreement: Path = Field(default=Path("agreement"), description="file with the agreement's exact bytes")
    digest: str = Field(
        default="", description="SHA-256 of the agreement, hexadecimal: the trust root. Set by `standstill node found`"
    )
    store: str = Field(
        default="",
        description="a path, sqlite:////absolute/path or postgresql://...; store.db beside this file if empty",
    )
    listen: str = Field(
        default="127.0.0.1:7443", description="host:port for peers; port 0: any, see the file `address`"
    )
    admin: Path = Field(
        default=Path("admin.sock"), description="Unix socket for administration, open to its owner alone"
    )
    keys: Path = Field(default=Path("keys"), description="directory of log.key and statement.key, each of mode 0600")
    clock: str = Field(default="system", description="system, or file:PATH for demos and tests")
    journal: Path | None = Field(default=None, description="file that the journal is appended to; else standard error")
    attest: Literal["automatic", "manual"] = Field(
        default="automatic", description="automatic: every period is attested when it has ended; manual: only when told"
    )
    attest_after: int = Field(
        default=0, ge=0, description="seconds after the end of a period before it is attested: time for the export"
    )
    attest_from: int = Field(default=0, ge=0, description="first period to attest")
    record_poll: int = Field(default=60, ge=1, description="seconds between two looks at the record")
    order: Path = Field(
        default=Path("order.json"), description="file that says what a lab must keep now, for its own schedulers"
    )
    peer: dict[str, PeerSettings] = Field(default_factory=dict, description="who may call, by name in the agreement")
    site: dict[str, SiteSettings] = Field(default_factory=dict, description="sites of a lab, by a name of your own")
    meter: dict[str, MeterSettings] = Field(default_factory=dict, description="meters of a meter operator, by name")
