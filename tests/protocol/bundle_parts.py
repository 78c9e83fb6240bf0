"""Bundles to read, to take apart and to change, and what their verification says."""

from __future__ import annotations

from functools import cache

from protocol.bundle import BEYOND, STEPS, Report, Result, verify_bundle
from protocol.errors import Reason
from protocol.wire import encode
from standstill.v1 import bundle_pb2, envelope_pb2, header_pb2
from tests import bundles
from tests.builders import World
from tests.bundles import assess, bytes_of, chronicle

VERDICTS = {
    "honored": header_pb2.VERDICT_HONORED,
    "inconclusive": header_pb2.VERDICT_INCONCLUSIVE,
    "breached": header_pb2.VERDICT_BREACHED,
}
OTHER = bytes(32)
Bundle = bundle_pb2.Bundle


def opened(verdict: str = "breached") -> Bundle:
    return Bundle.FromString(bytes_of(verdict)[0])


def verify(changed: Bundle, verdict: str = "breached") -> Report:
    return verify_bundle(encode(changed), bytes_of(verdict)[1])


def failure(report: Report) -> tuple[str, Reason | None]:
    failed = report.failed()
    assert failed is not None, [f"{step.name} {step.result} {step.detail}" for step in report.steps]
    return failed.name, failed.reason


def confirmed(report: Report) -> bool:
    """Whether everything was checked and held that a bundle can show."""
    expected = [Result.NOT_CHECKED if name in BEYOND else Result.PASSED for name, _ in STEPS]
    return [step.result for step in report.steps] == expected


def log(bundle: Bundle, name: str) -> bundle_pb2.BundledLog:
    return next(log for log in bundle.logs if log.origin.startswith(f"{name}.example/standstill"))


def record(bundle: Bundle) -> bundle_pb2.BundledLog:
    return next(log for log in bundle.logs if "/record/" in log.origin)


def leaf_of(bundle: Bundle, name: str, kind: header_pb2.Kind.ValueType) -> bundle_pb2.ProvenLeaf:
    return next(leaf for leaf in log(bundle, name).leaves if header_of(leaf).kind == kind)


def header_of(leaf: bundle_pb2.ProvenLeaf) -> header_pb2.Header:
    return header_pb2.Header.FromString(envelope_pb2.Envelope.FromString(leaf.leaf.envelope).payload)


@cache
def world(name: str = "cheat") -> World:
    """The world behind a bundle, or one like it that says something else; not to be changed."""
    made = chronicle(6, bundles.cheat if name == "cheat" else bundles.honest)
    made.close(7)
    assess(made, "gamma", 5)
    return made
