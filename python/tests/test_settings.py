"""Settings: the environment, `./.env`, files of secrets, and what of them reaches the Kafka client."""

from __future__ import annotations

from pathlib import Path

import pytest

from somafractalmemory import delivery, errors
from somafractalmemory.delivery import kafka_settings
from somafractalmemory.delivery.service import ServiceDelivery
from somafractalmemory.settings import Settings, parse_file


def test_a_file_is_read_as_the_service_reads_it() -> None:
    text = "# a comment\n\nexport A=1\nB = two words # and a comment\nC=\"quoted # all\" # comment\nD='x'\nE=\n"
    assert parse_file(text) == {"A": "1", "B": "two words", "C": "quoted # all", "D": "x", "E": ""}


@pytest.mark.parametrize("line", ["no mark", "A B=1", 'A="open', '="x"', "A='x' y"])
def test_a_line_that_is_no_setting_is_refused(line: str) -> None:
    with pytest.raises(errors.BadConfig, match="line 2"):
        parse_file(f"OK=1\n{line}")


def test_the_environment_comes_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("SOMA_URL=http://file.test\nSOMA_API_TOKEN=from-the-file\n")
    monkeypatch.setenv("SOMA_URL", "http://environment.test")
    monkeypatch.setenv("SOMA_API_TOKEN", " ")
    settings = Settings.of_process()
    assert settings.text("SOMA_URL") == "http://environment.test"
    assert settings.text("SOMA_API_TOKEN") == "from-the-file"
    assert settings.text("SOMA_OTHER") is None


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hidden\n")
    assert Settings({"P_FILE": str(file)}).secret("P") == "hidden"
    with pytest.raises(errors.BadConfig, match="both"):
        Settings({"P": "x", "P_FILE": str(file)}).secret("P")
    with pytest.raises(errors.BadConfig, match="cannot be read"):
        Settings({"P_FILE": str(tmp_path / "none")}).secret("P")


@pytest.mark.parametrize(("text", "on"), [("1", True), ("TRUE", True), ("yes", True), ("Off", False), ("no", False)])
def test_switches(text: str, on: bool) -> None:
    assert Settings({"S": text}).switch("S") is on
    with pytest.raises(errors.BadConfig, match="S=maybe"):
        Settings({"S": "maybe"}).switch("S")


def kafka(**variables: str) -> dict[str, object]:
    found, further, _ = kafka_settings.connection(Settings({"KAFKA_BOOTSTRAP_SERVERS": "a:1,b:2", **variables}))
    return {**found, **further}


def test_a_plain_connection() -> None:
    assert kafka() == {"bootstrap.servers": "a:1,b:2", "security.protocol": "PLAINTEXT"}


def test_every_protected_connection(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("x")
    tls = kafka(KAFKA_SECURITY_PROTOCOL="ssl", KAFKA_SSL_CA_LOCATION=str(ca), KAFKA_SSL_CERTIFICATE_LOCATION=str(ca),
                KAFKA_SSL_KEY_LOCATION=str(ca), KAFKA_SSL_KEY_PASSWORD="p")  # fmt: skip
    assert tls["ssl.ca.location"] == tls["ssl.key.location"] == tls["ssl.certificate.location"] == str(ca)
    assert (tls["security.protocol"], tls["ssl.key.password"]) == ("SSL", "p")
    sasl = kafka(KAFKA_SECURITY_PROTOCOL="SASL_SSL", KAFKA_SASL_USERNAME="u", KAFKA_SASL_PASSWORD="p")
    assert (sasl["sasl.mechanism"], sasl["sasl.username"], sasl["ssl.ca.location"]) == ("PLAIN", "u", "probe")
    scram = kafka(KAFKA_SECURITY_PROTOCOL="SASL_PLAINTEXT", KAFKA_SASL_MECHANISM="SCRAM-SHA-512",
                  KAFKA_SASL_USERNAME="u", KAFKA_SASL_PASSWORD="p")  # fmt: skip
    assert (scram["sasl.mechanism"], "ssl.ca.location" in scram) == ("SCRAM-SHA-512", False)
    name = "KAFKA_SASL_OAUTHBEARER_"
    oauth = kafka(**{"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA_SASL_MECHANISM": "OAUTHBEARER",
                     f"{name}TOKEN_ENDPOINT_URL": "http://t.test", f"{name}CLIENT_ID": "c",
                     f"{name}CLIENT_SECRET": "s"})  # fmt: skip
    assert callable(oauth["oauth_cb"])


@pytest.mark.parametrize(
    ("variables", "field"),
    [
        ({"KAFKA_BOOTSTRAP_SERVERS": "nowhere"}, "KAFKA_BOOTSTRAP_SERVERS"),
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, "KAFKA_SECURITY_PROTOCOL"),
        ({"KAFKA_SASL_USERNAME": "u"}, "KAFKA_SECURITY_PROTOCOL"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "KAFKA_SASL_USERNAME"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "GSSAPI"}, "KAFKA_SASL_MECHANISM"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "OAUTHBEARER"}, "KAFKA_SASL_MECHANISM"),
        ({"KAFKA_SSL_KEY_LOCATION": "/k"}, "KAFKA_SSL_CERTIFICATE_LOCATION"),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CA_LOCATION": "/none/ca.pem"}, "KAFKA_SSL_CA_LOCATION"),
        ({"KAFKA_CONFIG_ACKS": "1"}, "KAFKA_CONFIG_ACKS"),
        ({"KAFKA_CONFIG_ENABLE_IDEMPOTENCE": "false"}, "KAFKA_CONFIG_ENABLE_IDEMPOTENCE"),
        ({"KAFKA_CONFIG_PARTITIONER": "random"}, "KAFKA_CONFIG_PARTITIONER"),
        ({"KAFKA_CONFIG_SASL_PASSWORD": "x"}, "KAFKA_CONFIG_SASL_PASSWORD"),
    ],
)
def test_what_cannot_work_is_refused_by_name(variables: dict[str, str], field: str) -> None:
    with pytest.raises(errors.BadConfig) as told:
        kafka(**variables)
    assert told.value.field == field


def test_other_settings_of_the_client_pass_through() -> None:
    assert kafka(KAFKA_CONFIG_LINGER_MS="20", KAFKA_CONFIG_SOCKET_TIMEOUT_MS="900")["linger.ms"] == "20"


@pytest.mark.parametrize(
    "variables", [{}, {"EVENTING_ENABLED": "false"}, {"EVENTING_ENABLED": "off", "KAFKA_BOOTSTRAP_SERVERS": "a:1"}]
)
def test_without_kafka_events_go_to_the_service(variables: dict[str, str]) -> None:
    assert isinstance(delivery.make(Settings(variables)), ServiceDelivery)


def test_eventing_needs_brokers() -> None:
    with pytest.raises(errors.BadConfig, match="KAFKA_BOOTSTRAP_SERVERS"):
        delivery.make(Settings({"EVENTING_ENABLED": "true"}))
    with pytest.raises(errors.BadConfig, match="SOMA_EVENT_BYTES_MAX"):
        delivery.make(Settings({"SOMA_EVENT_BYTES_MAX": "12"}))
