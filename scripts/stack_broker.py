"""Starts a broker with exactly the settings of `kafka` in docker-compose.yml, as the entry point of its image
turns them into properties, and asks it by the service's own health check. Only addresses and folders differ."""

import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

import stack_engine as engine


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def main():
    service = engine.defined(["-f", "docker-compose.yml"])["kafka"]
    env = service["environment"]
    inside, host, controller = free_ports(3)
    folder = pathlib.Path(tempfile.mkdtemp(dir=engine.DIR))
    moved = [("INTERNAL://:9092", f"INTERNAL://127.0.0.1:{inside}"), ("HOST://:29092", f"HOST://127.0.0.1:{host}"),
             ("CONTROLLER://:9093", f"CONTROLLER://127.0.0.1:{controller}"), ("kafka:9092", f"127.0.0.1:{inside}"),
             ("localhost:9092", f"127.0.0.1:{host}"), ("localhost:9093", f"127.0.0.1:{controller}"), ("/var/lib/kafka/data", f"{folder}/data")]
    lines = []
    for name, value in env.items():
        if name.startswith("KAFKA_") and name != "KAFKA_HEAP_OPTS":
            for there, here in moved:
                value = value.replace(there, here)
            lines.append(f"{name[len('KAFKA_'):].lower().replace('_', '.')}={value}")
    properties = folder / "server.properties"
    properties.write_text("\n".join(lines) + "\n")
    java = ["java", *env["KAFKA_HEAP_OPTS"].split(), "-cp", f"{os.environ['STACK_KAFKA_TOOLS']}/*"]
    subprocess.run([*java, "kafka.tools.StorageTool", "format", "-t", env["CLUSTER_ID"], "-c", str(properties)], check=True, capture_output=True)
    log = folder / "log"
    with log.open("w") as out:
        broker = subprocess.Popen([*java, "kafka.Kafka", str(properties)], stdout=out, stderr=out)
    try:
        probe = [word.replace("localhost:9092", f"127.0.0.1:{inside}") for word in service["healthcheck"]["test"][1:]]
        probe = [word.replace("/opt/kafka/bin", str(engine.kafka_bin())) for word in probe]
        end = time.monotonic() + 240
        while True:
            asked = subprocess.run(probe, capture_output=True, text=True, timeout=60)
            if asked.returncode == 0:
                break
            if broker.poll() is not None or time.monotonic() > end:
                sys.exit(f"the broker of docker-compose.yml is not healthy: {asked.stderr}\n{log.read_text()}")
            time.sleep(0.5)
        topics = [str(engine.kafka_bin() / "kafka-topics.sh"), "--bootstrap-server", f"127.0.0.1:{host}"]
        subprocess.run([*topics, "--create", "--topic", "probe"], check=True, capture_output=True, timeout=60)
        shown = subprocess.run([*topics, "--describe", "--topic", "probe"], check=True, capture_output=True, text=True, timeout=60).stdout
        # From this machine, through the listener for it; a topic without settings takes those of the broker.
        if not re.search(r"PartitionCount: ?\d.*ReplicationFactor: ?1.*max\.message\.bytes=18874368", shown):
            sys.exit(f"the broker has other settings: {shown}")
    finally:
        broker.terminate()
        broker.wait(timeout=60)
    print("the broker starts with the settings of docker-compose.yml, is healthy, and answers this machine")


main()
