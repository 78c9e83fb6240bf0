"""Refusals on the wire: one table from reasons to status codes, typed details that any gRPC client can read.

status code         from STATUS
details             google.rpc.Status in the trailer grpc-status-details-bin, holding
  ErrorInfo         reason = name of the Reason, domain = "standstill"
  BadRequest        the field and what was expected and found; absent where the refusal names no field
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

import grpc
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from protocol.errors import Reason, Refused

DOMAIN: Final = "standstill"
DETAILS_KEY: Final = "grpc-status-details-bin"
MAX_DETAIL_CHARACTERS: Final = 1000
"""Keeps trailers under the 8 KiB that gRPC peers accept."""

STATUS: Final = {
    Reason.CALLER_UNKNOWN: grpc.StatusCode.UNAUTHENTICATED,
    Reason.AUDIENCE_TOO_LOW: grpc.StatusCode.PERMISSION_DENIED,
    Reason.NO_TRUSTED_SIGNATURE: grpc.StatusCode.PERMISSION_DENIED,
    Reason.BAD_SIGNATURE: grpc.StatusCode.PERMISSION_DENIED,
    Reason.UNKNOWN_ORIGIN: grpc.StatusCode.NOT_FOUND,
    Reason.CHECKPOINT_ABSENT: grpc.StatusCode.NOT_FOUND,
    Reason.INDEX_OUT_OF_RANGE: grpc.StatusCode.OUT_OF_RANGE,
    Reason.BEYOND_CHECKPOINT: grpc.StatusCode.OUT_OF_RANGE,
    Reason.SIZE_CONFLICT: grpc.StatusCode.ABORTED,
    Reason.HEAD_CONFLICT: grpc.StatusCode.ABORTED,
    Reason.ROOT_MISMATCH: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.INCONSISTENT: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.UNEXPECTED_PROOF: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.EQUIVOCATION: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.CLOCK_WENT_BACK: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.CLOCK_UNREADABLE: grpc.StatusCode.UNAVAILABLE,
    Reason.STORE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Reason.NOT_ASSESSED: grpc.StatusCode.NOT_FOUND,
    Reason.TOO_MANY_WATCHERS: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.WATCHER_TOO_SLOW: grpc.StatusCode.ABORTED,
}
"""Any other reason speaks of the request itself: INVALID_ARGUMENT."""

_TYPE_PREFIX: Final = "type.googleapis.com/"


def status_of(reason: Reason) -> grpc.StatusCode:
    """The status code under which a refusal travels."""
    return STATUS.get(reason, grpc.StatusCode.INVALID_ARGUMENT)


def abort(context: grpc.ServicerContext, refused: Refused) -> NoReturn:
    """End the call with this refusal."""
    code = status_of(refused.reason)
    text = f"{refused.reason}: {refused.detail or refused.field}"[:MAX_DETAIL_CHARACTERS]
    status = _Status(code=code.value[0], message=text)
    _add_detail(status, _ErrorInfo(reason=refused.reason.value, domain=DOMAIN))
    if refused.field:
        violation = {"field": refused.field, "description": refused.detail[:MAX_DETAIL_CHARACTERS]}
        _add_detail(status, _BadRequest(field_violations=[violation]))
    context.set_trailing_metadata(((DETAILS_KEY, status.SerializeToString()),))
    context.abort(code, text)


def refused_by(error: grpc.RpcError) -> Refused | None:
    """The refusal that the other side answered with; None where the call failed for another cause."""
    # Errors that a call raises are calls as well; the stubs know only of the first.
    call: Any = error
    trailers = call.trailing_metadata() if isinstance(call, grpc.Call) else None
    status = _parse(_Status, dict(trailers or ()).get(DETAILS_KEY))
    if status is None:
        return None
    details = {detail.type_url: detail.value for detail in status.details}
    info = _parse(_ErrorInfo, details.get(_url(_ErrorInfo)))
    # A newer peer may know reasons that this program does not.
    if info is None or info.domain != DOMAIN or info.reason not in Reason.__members__:
        return None
    request = _parse(_BadRequest, details.get(_url(_BadRequest)))
    if request is None or not request.field_violations:
        return Refused(Reason[info.reason], "", status.message.removeprefix(f"{info.reason}: "))
    return Refused(Reason[info.reason], request.field_violations[0].field, request.field_violations[0].description)


def _add_detail(status: Any, detail: Any) -> None:
    status.details.add(type_url=_url(type(detail)), value=detail.SerializeToString())


def _url(kind: Any) -> str:
    return f"{_TYPE_PREFIX}{kind.DESCRIPTOR.full_name}"


def _parse(kind: Any, data: Any) -> Any:
    """Read a message from another program; None where there is none that can be read."""
    try:
        return kind.FromString(data) if isinstance(data, bytes) else None
    except DecodeError:
        return None


_Field = descriptor_pb2.FieldDescriptorProto


def _field(name: str, number: int, kind: _Field.Type.ValueType, *, many: bool = False, of: str = "") -> _Field:
    label = _Field.LABEL_REPEATED if many else _Field.LABEL_OPTIONAL
    return _Field(name=name, number=number, type=kind, label=label, type_name=of or None)


def _google_rpc() -> tuple[Any, Any, Any]:
    """The three messages of google.rpc that travel, in a pool of their own so that no other copy collides."""
    file = descriptor_pb2.FileDescriptorProto(
        name="standstill/google_rpc.proto", package="google.rpc", syntax="proto3", dependency=[any_pb2.DESCRIPTOR.name]
    )
    text, number, nested = _Field.TYPE_STRING, _Field.TYPE_INT32, _Field.TYPE_MESSAGE
    details = _field("details", 3, nested, many=True, of=".google.protobuf.Any")
    file.message_type.add(name="Status", field=[_field("code", 1, number), _field("message", 2, text), details])
    file.message_type.add(name="ErrorInfo", field=[_field("reason", 1, text), _field("domain", 2, text)])
    violations = _field("field_violations", 1, nested, many=True, of=".google.rpc.BadRequest.FieldViolation")
    bad_request = file.message_type.add(name="BadRequest", field=[violations])
    bad_request.nested_type.add(name="FieldViolation", field=[_field("field", 1, text), _field("description", 2, text)])
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(any_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    names = ("Status", "ErrorInfo", "BadRequest")
    status, info, request = (pool.FindMessageTypeByName(f"google.rpc.{name}") for name in names)
    return tuple(map(message_factory.GetMessageClass, (status, info, request)))  # type: ignore[return-value]


_Status, _ErrorInfo, _BadRequest = _google_rpc()
