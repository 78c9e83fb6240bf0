"""Local administration of a node: publish, attest, status (node_admin_service.proto)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from node.loop import MOST_OWED, Attester
from node.order_file import sentence
from node.publisher import Publisher
from protocol import authoring
from protocol.errors import Reason, require
from protocol.statements import KINDS
from standstill.v1 import node_admin_service_pb2, node_admin_service_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Iterable

    import grpc

    from daemon.author import Published
    from daemon.clock import Clock
    from node.record import RecordFollower
    from protocol.agreement import Agreement

SERVICE: Final = node_admin_service_pb2.DESCRIPTOR.services_by_name["NodeAdminService"].full_name
MOST_DRAFTS: Final = 1_000


class NodeAdminServicer(node_admin_service_pb2_grpc.NodeAdminServiceServicer):
    """Answers the calls of NodeAdminService; every refusal is left to the server's interceptors."""

    def __init__(
        self,
        agreement: Agreement,
        publisher: Publisher,
        attester: Attester,
        clock: Clock,
        record: RecordFollower | None = None,
    ) -> None:
        """Act for the party whose log `publisher` writes; `record` is followed, if any is."""
        self._agreement, self._publisher, self._attester, self._clock = agreement, publisher, attester, clock
        self._record = record

    def Publish(
        self, request: node_admin_service_pb2.PublishRequest, context: grpc.ServicerContext
    ) -> node_admin_service_pb2.PublishResponse:
        """Log statements, all or none; refuses as :meth:`node.publisher.Publisher.publish`."""
        within = 1 <= len(request.drafts) <= MOST_DRAFTS
        what = f"expected 1 to {MOST_DRAFTS} statements, found {len(request.drafts)}"
        require(within, Reason.VALUE_OUT_OF_RANGE, "drafts", what)
        drafts = [_from_wire(draft, number) for number, draft in enumerate(request.drafts)]
        return _response(self._publisher.publish(drafts))

    def Attest(
        self, request: node_admin_service_pb2.AttestRequest, context: grpc.ServicerContext
    ) -> node_admin_service_pb2.AttestResponse:
        """Attest a period, or show what would be said; refuses as :meth:`node.loop.Attester.drafts`."""
        period = request.period if request.HasField("period") else self._last_ended()
        if request.dry_run:
            return node_admin_service_pb2.AttestResponse(drafts=_to_wire(self._attester.drafts(period)))
        drafts, published = self._attester.attest(period)
        return node_admin_service_pb2.AttestResponse(drafts=_to_wire(drafts), published=_response(published))

    def GetStatus(
        self, request: node_admin_service_pb2.GetStatusRequest, context: grpc.ServicerContext
    ) -> node_admin_service_pb2.GetStatusResponse:
        """What the node holds and owes."""
        now = self._clock.now()
        head, _ = self._publisher.author.signed
        states = self._attester.states
        answer = node_admin_service_pb2.GetStatusResponse(
            party=self._publisher.author.party,
            agreement=self._agreement.digest,
            origin=self._publisher.author.origin,
            size=head.size,
            root=head.root,
            now=now,
            period=self._agreement.period_at(now),
            attested=self._attester.attested(now),
            owed=self._attester.owed(now)[:MOST_OWED],
            collectors=[
                node_admin_service_pb2.CollectorStatus(
                    site=collector.site, source=collector.source, state=states[collector.site]
                )
                for collector in self._attester.collectors
            ],
        )
        if self._record is not None:
            self._add_order(answer, self._record, now)
        return answer

    def GetOwnState(
        self, request: node_admin_service_pb2.GetOwnStateRequest, context: grpc.ServicerContext
    ) -> node_admin_service_pb2.GetOwnStateResponse:
        """Terms and state; the state is empty where the record is not followed."""
        return node_admin_service_pb2.GetOwnStateResponse(
            agreement=self._agreement.data,
            state=b"" if self._record is None else self._record.newest.text(),
            party=self._publisher.author.party,
            serials=self._publisher.serials(),
            period=self._agreement.period_at(self._clock.now()),
        )

    def _add_order(self, answer: node_admin_service_pb2.GetStatusResponse, record: RecordFollower, now: int) -> None:
        """What the record asks of this party, as the node computed it."""
        newest, confirmed, order = record.newest, record.confirmed, record.order(now)
        answer.own_digest = newest.digest()
        answer.final_digest = b"" if confirmed is None else confirmed.digest()
        if order is not None:
            answer.level, answer.mode = order.duty.level, order.mode.value
            answer.level_line = sentence(record.terms(), order)
            answer.why = order.why
            answer.exemptions.extend(self._publisher.exemptions(record.terms(), order.duty))
        if record.trouble:
            answer.why = f"{answer.why}; {record.trouble}" if answer.why else record.trouble

    def _last_ended(self) -> int:
        period = self._agreement.period_at(self._clock.now())
        ended = period is not None and period > 0
        require(ended, Reason.PERIOD_NOT_ENDED, "period", "no period has ended yet; wait for the end of period 0")
        return (period or 0) - 1


def _from_wire(draft: node_admin_service_pb2.Draft, number: int) -> authoring.Draft:
    known = draft.kind in KINDS
    require(known, Reason.KIND_UNKNOWN, f"drafts[{number}].kind", f"expected a kind of statement, found {draft.kind}")
    period = draft.period if draft.HasField("period") else None
    inquiry = draft.inquiry if draft.HasField("inquiry") else None
    return authoring.Draft(kind=draft.kind, body=draft.body, period=period, site=draft.site, inquiry=inquiry)


def _to_wire(drafts: Iterable[authoring.Draft]) -> list[node_admin_service_pb2.Draft]:
    return [
        node_admin_service_pb2.Draft(kind=draft.kind, body=draft.body, period=draft.period, site=draft.site)
        for draft in drafts
    ]


def _response(published: Published) -> node_admin_service_pb2.PublishResponse:
    return node_admin_service_pb2.PublishResponse(
        index=published.index, identities=published.identities, checkpoint=published.note
    )
