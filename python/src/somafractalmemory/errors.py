"""What can go wrong, by name.

Every stable `code` of the service has a class of its own, so that a program catches what it can do something
about. `InvalidEvent` and its kin are also `ValueError`: what was given is wrong, and repeating it cannot help.
"""

from __future__ import annotations

from typing import ClassVar


class SomaError(Exception):
    """The root of all errors of this package."""

    code: ClassVar[str] = "internal"

    def __init__(
        self,
        detail: str,
        *,
        field: str | None = None,
        remedy: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.detail = detail
        self.field = field
        self.remedy = remedy
        self.status = status
        self.retry_after = retry_after
        super().__init__(detail)

    @property
    def reason(self) -> str:
        """The sentence that says what is wrong."""
        return self.detail

    def __str__(self) -> str:
        at = f" at {self.field}" if self.field else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.code}{at}: {self.detail}{remedy}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_restore, (type(self), dict(self.__dict__)))


def _restore(cls: type[SomaError], state: dict[str, object]) -> SomaError:
    error = cls.__new__(cls)
    error.__dict__.update(state)
    error.args = (state.get("detail"),)
    return error


class InvalidEvent(SomaError, ValueError):
    """What was given is no event, or breaks a bound: `field` says where, `code` says how."""

    code = "schema"


class NotJson(InvalidEvent):
    code = "not_json"


class SchemaViolation(InvalidEvent):
    code = "schema"


class TypeUnknown(InvalidEvent):
    code = "type_unknown"


class BadKey(InvalidEvent):
    code = "bad_key"


class TooLarge(InvalidEvent):
    code = "too_large"


class TooDeep(InvalidEvent):
    code = "too_deep"


class NulCharacter(InvalidEvent):
    code = "nul_character"


class NumberRange(InvalidEvent):
    code = "number_range"


class DuplicateKey(InvalidEvent):
    code = "duplicate_key"


class NamespaceMismatch(InvalidEvent):
    code = "namespace_mismatch"


class SchemaUnknown(SomaError):
    code = "schema_unknown"


class StoreRejected(SomaError):
    code = "store_rejected"


class BadRequest(SomaError, ValueError):
    code = "bad_request"


class UriTooLong(SomaError, ValueError):
    code = "uri_too_long"


class MethodNotAllowed(SomaError):
    code = "method_not_allowed"


class RequestTimeout(SomaError):
    code = "request_timeout"


class BadFilter(SomaError, ValueError):
    code = "bad_filter"


class BadPosition(SomaError, ValueError):
    code = "bad_position"


class PreconditionUnsupported(SomaError):
    code = "precondition_unsupported"


class IdempotencyConflict(SomaError):
    code = "idempotency_conflict"


class DeadLettered(SomaError):
    code = "dead_lettered"


class Unauthorized(SomaError):
    code = "unauthorized"


class Forbidden(SomaError):
    code = "forbidden"


class RateLimited(SomaError):
    code = "rate_limited"


class BadConfig(SomaError, ValueError):
    """A setting is wrong, or two contradict each other: `field` names the variable."""

    code = "bad_config"


class NotFound(SomaError, LookupError):
    code = "not_found"


class InUse(SomaError):
    code = "in_use"


class Fenced(SomaError):
    code = "fenced"


class Contended(SomaError):
    code = "contended"


class Unavailable(SomaError):
    """The service, or what it depends on, is away; a later attempt may succeed."""

    code = "unavailable"


class PositionNotReached(SomaError):
    code = "position_not_reached"


class ShuttingDown(SomaError):
    code = "shutting_down"


class StorageFull(SomaError):
    code = "storage_full"


class Corrupt(SomaError):
    code = "corrupt"


class LogReplaced(SomaError):
    code = "log_replaced"


class FormatTooNew(SomaError):
    code = "format_too_new"


class Internal(SomaError):
    code = "internal"


class DeliveryError(SomaError):
    """Events were not acknowledged. `failed` maps the place of each in the call to what happened to it.

    Producing the same events again is safe: each takes effect once, by its `event_id`.
    """

    code = "unavailable"

    def __init__(self, detail: str, *, failed: dict[int, str] | None = None, remedy: str | None = None) -> None:
        super().__init__(detail, remedy=remedy)
        self.failed = failed or {}


class DeliveryTimeout(DeliveryError, TimeoutError):
    """The acknowledgement did not come within the bound. The event may still arrive."""


def _by_code() -> dict[str, type[SomaError]]:
    found: dict[str, type[SomaError]] = {}
    classes: list[type[SomaError]] = [SchemaViolation, *SomaError.__subclasses__(), *InvalidEvent.__subclasses__()]
    for cls in classes:
        if not issubclass(cls, DeliveryError):
            found.setdefault(cls.code, cls)
    return found


BY_CODE: dict[str, type[SomaError]] = _by_code()
"""The class of each code of the service."""


def from_code(
    code: str,
    detail: str,
    *,
    field: str | None = None,
    remedy: str | None = None,
    status: int | None = None,
    retry_after: float | None = None,
) -> SomaError:
    """The error of a code; a code that this version does not know is an `Internal` that says so."""
    cls = BY_CODE.get(code)
    if cls is None:
        cls, detail = Internal, f"{code}: {detail}"
    return cls(detail, field=field, remedy=remedy, status=status, retry_after=retry_after)
