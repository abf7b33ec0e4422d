"""The variables of the service's Kafka client, as settings of librdkafka.

`KAFKA_CONFIG_<KEY>` hands any other setting on, except those that would break a promise: the order and the
acknowledgement of events, or a connection that other variables describe.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from ..errors import BadConfig
from ..settings import Settings
from .oauth import TokenSource

DEFAULT_TOPIC: Final = "memory.events"
_PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
_BROKER: Final = re.compile(r"[^\s,]+:[0-9]{1,5}")
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
_FILES: Final = {
    "KAFKA_SSL_CA_LOCATION": "ssl.ca.location",
    "KAFKA_SSL_CERTIFICATE_LOCATION": "ssl.certificate.location",
    "KAFKA_SSL_KEY_LOCATION": "ssl.key.location",
}
_REFUSED: Final = {
    "acks": "every event is acknowledged by all replicas in sync",
    "request.required.acks": "every event is acknowledged by all replicas in sync",
    "enable.idempotence": "no event may be written twice or out of order",
    "partitioner": "every language must find a memory in the same partition",
    "transactional.id": "events are not written in transactions",
    "bootstrap.servers": "KAFKA_BOOTSTRAP_SERVERS says it",
    "metadata.broker.list": "KAFKA_BOOTSTRAP_SERVERS says it",
    "security.protocol": "KAFKA_SECURITY_PROTOCOL says it",
    "ssl.ca.location": "KAFKA_SSL_CA_LOCATION says it",
    "ssl.certificate.location": "KAFKA_SSL_CERTIFICATE_LOCATION says it",
    "ssl.key.location": "KAFKA_SSL_KEY_LOCATION says it",
    "ssl.key.password": "KAFKA_SSL_KEY_PASSWORD says it",
    "delivery.report.only.error": "success is waited for",
}
LOG_LEVEL: Final = 2
"""Only what is critical: errors are reported another way, once and not at every attempt."""
PRODUCER: Final[dict[str, Any]] = {
    "enable.idempotence": True,
    "partitioner": "murmur2_random",
    "compression.type": "lz4",
    "log_level": LOG_LEVEL,
    "queue.buffering.max.messages": 1_000_000,
    # So that an event whose producer was told of a failure does not turn up much later. The client keeps the order of
    # events while it tries again, which nobody above it could.
    "message.timeout.ms": 60_000,
}


def topic(name: str, variable: str | None = None) -> str:
    """A name that Kafka allows. Raises `BadConfig`."""
    if name in (".", "..") or not _TOPIC.fullmatch(name):
        what = f"{name!r} is not a topic name; use at most 249 letters, digits, dots, dashes and underscores"
        raise BadConfig(what, field=variable or "topic")
    return name


def events_topic(settings: Settings) -> str:
    """The topic of memory events."""
    variable = "KAFKA_MEMORY_EVENTS_TOPIC"
    return topic(settings.text(variable) or DEFAULT_TOPIC, variable)


def connection(settings: Settings) -> tuple[dict[str, Any], dict[str, str], TokenSource | None]:
    """How brokers are reached, what `KAFKA_CONFIG_*` adds, and where bearer tokens come from. Raises `BadConfig`."""
    brokers = settings.text("KAFKA_BOOTSTRAP_SERVERS") or ""
    if not all(_BROKER.fullmatch(broker.strip()) for broker in brokers.split(",")):
        what = "KAFKA_BOOTSTRAP_SERVERS is not a list of brokers; write host:port, with commas between several"
        raise BadConfig(what, field="KAFKA_BOOTSTRAP_SERVERS")
    protocol = _one_of(settings, "KAFKA_SECURITY_PROTOCOL", _PROTOCOLS) or "PLAINTEXT"
    found: dict[str, Any] = {"bootstrap.servers": brokers, "security.protocol": protocol}
    _tls(settings, protocol, found)
    tokens = _sasl(settings, protocol, found)
    return found, _further(settings), tokens


def _tls(settings: Settings, protocol: str, found: dict[str, Any]) -> None:
    files = {variable: settings.text(variable) for variable in _FILES}
    certificate, key = files["KAFKA_SSL_CERTIFICATE_LOCATION"], files["KAFKA_SSL_KEY_LOCATION"]
    if (certificate is None) != (key is None):
        what = "KAFKA_SSL_CERTIFICATE_LOCATION and KAFKA_SSL_KEY_LOCATION belong together; set both"
        raise BadConfig(what, field="KAFKA_SSL_CERTIFICATE_LOCATION")
    if not protocol.endswith("SSL"):
        return
    for variable, path in files.items():
        if path is not None and not Path(path).is_file():
            raise BadConfig(f"{variable} names no file: {path}", field=variable)
        if path is not None:
            found[_FILES[variable]] = path
    # The client brings its own TLS library, which does not know where this system keeps its authorities.
    found.setdefault("ssl.ca.location", "probe")
    password = settings.secret("KAFKA_SSL_KEY_PASSWORD")
    if password is not None:
        found["ssl.key.password"] = password


def _sasl(settings: Settings, protocol: str, found: dict[str, Any]) -> TokenSource | None:
    mechanism = _one_of(settings, "KAFKA_SASL_MECHANISM", _MECHANISMS)
    username, password = settings.text("KAFKA_SASL_USERNAME"), settings.secret("KAFKA_SASL_PASSWORD")
    if not protocol.startswith("SASL"):
        if mechanism or username or password:
            what = "a SASL user or mechanism is set, and KAFKA_SECURITY_PROTOCOL is not a SASL protocol"
            remedy = "set it to SASL_SSL or SASL_PLAINTEXT"
            raise BadConfig(what, field="KAFKA_SECURITY_PROTOCOL", remedy=remedy)
        return None
    found["sasl.mechanism"] = mechanism or "PLAIN"
    if mechanism == "OAUTHBEARER":
        tokens = _token_source(settings)
        found["oauth_cb"] = tokens.fetch
        return tokens
    if username is None or password is None:
        what = "a SASL protocol needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD (or KAFKA_SASL_PASSWORD_FILE)"
        raise BadConfig(what, field="KAFKA_SASL_USERNAME")
    found |= {"sasl.username": username, "sasl.password": password}
    return None


def _token_source(settings: Settings) -> TokenSource:
    name = "KAFKA_SASL_OAUTHBEARER_"
    url, client = settings.text(f"{name}TOKEN_ENDPOINT_URL"), settings.text(f"{name}CLIENT_ID")
    secret = settings.secret(f"{name}CLIENT_SECRET")
    if url is None or client is None or secret is None:
        what = f"OAUTHBEARER needs {name}TOKEN_ENDPOINT_URL, {name}CLIENT_ID and {name}CLIENT_SECRET"
        raise BadConfig(what, field="KAFKA_SASL_MECHANISM")
    return TokenSource(url, client, secret, settings.text(f"{name}SCOPE"))


def _further(settings: Settings) -> dict[str, str]:
    found = {}
    for name, value in settings.beginning("KAFKA_CONFIG_").items():
        key, variable = name.lower().replace("_", "."), f"KAFKA_CONFIG_{name}"
        why = _REFUSED.get(key) or ("KAFKA_SASL_* say it" if key.startswith("sasl.") else None)
        if why is not None or key.endswith(".cb"):
            raise BadConfig(f"{variable} cannot be set: {why or 'it names code'}", field=variable, remedy="unset it")
        found[key] = value
    return found


def _one_of(settings: Settings, name: str, choices: tuple[str, ...]) -> str | None:
    text = settings.text(name)
    if text is not None and text.upper() not in choices:
        raise BadConfig(f"{name}={text} is not one of {', '.join(choices)}", field=name)
    return text.upper() if text else None
