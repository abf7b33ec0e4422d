"""The trace that a write belongs to, when the program traces with OpenTelemetry.

Nothing is imported for it: a program that traces has imported OpenTelemetry itself.
"""

from __future__ import annotations

import sys


def traceparent() -> str | None:
    """The current span as the header of W3C Trace Context; `None` when there is none."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
