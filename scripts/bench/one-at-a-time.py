"""A consumer of one message at a time, as such consumers are usually written: what `soma bench consumer
--one-at-a-time` puts beside `soma consumer`.

Each message is parsed, upserted into PostgreSQL and committed there, upserted into Qdrant with wait=true, and then
its offset is committed. It needs aiokafka[zstd], psycopg2 and qdrant-client, and reads the variables of soma. For every
sample it prints a line of JSON: how many events, and in how many seconds.
"""

import argparse
import asyncio
import hashlib
import json
import os
import time

import psycopg2
import psycopg2.extras
from aiokafka import AIOKafkaConsumer
from aiokafka.codec import has_zstd
from qdrant_client import QdrantClient
from qdrant_client.models import PointStruct

TABLE = """CREATE TABLE memories (
    id uuid PRIMARY KEY, namespace text NOT NULL, updated_at timestamptz NOT NULL, event_id uuid NOT NULL, payload jsonb NOT NULL)"""
UPSERT = """INSERT INTO memories (id, namespace, updated_at, event_id, payload) VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at, event_id = excluded.event_id, payload = excluded.payload"""


def vector(text, dims):
    """Numbers that follow from the text, as cheaply as Python makes them: no model is measured here."""
    return [(byte - 127.5) / 128 for byte in hashlib.shake_128(text.encode()).digest(dims)]


async def consume(args):
    database = psycopg2.connect(os.environ["POSTGRES_URL"])
    cursor = database.cursor()
    cursor.execute(TABLE)
    database.commit()
    points = QdrantClient(url=os.environ["QDRANT_URL"], grpc_port=port(os.environ["QDRANT_URL"]), prefer_grpc=True, check_compatibility=False)
    collection = os.environ["QDRANT_COLLECTION"]
    consumer = AIOKafkaConsumer(
        os.environ["KAFKA_MEMORY_EVENTS_TOPIC"],
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        group_id=os.environ["KAFKA_CONSUMER_GROUP"],
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    done, started = 0, None
    try:
        async for message in consumer:
            started = started or time.perf_counter()
            event = json.loads(message.value)
            row = (event["id"], event["namespace"], event["timestamp"], event["event_id"], psycopg2.extras.Json(event["payload"]))
            cursor.execute(UPSERT, row)
            database.commit()
            dense = vector(message.value.decode(), args.dims)
            points.upsert(collection, [PointStruct(id=event["id"], vector={"dense": dense}, payload=event["payload"])], wait=True)
            await consumer.commit()
            done += 1
            if done % args.sample == 0:
                now = time.perf_counter()
                print(json.dumps({"events": args.sample, "seconds": now - started}), flush=True)
                started = now
            if done >= args.events:
                return
    finally:
        await consumer.stop()


def port(url):
    """The gRPC port of an address; one that names the REST port, or none, means 6334."""
    number = url.rsplit(":", 1)[-1].strip("/")
    return int(number) if number.isdigit() and number != "6333" else 6334


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2_500)
    parser.add_argument("--sample", type=int, default=250)
    parser.add_argument("--dims", type=int, default=768)
    parser.add_argument("--check", action="store_true", help="only tell whether everything that it needs is there")
    args = parser.parse_args()
    if not has_zstd():
        raise SystemExit("aiokafka cannot read what soma writes: install aiokafka[zstd]")
    if not args.check:
        asyncio.run(consume(args))


if __name__ == "__main__":
    main()
