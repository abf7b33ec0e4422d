# syntax=docker/dockerfile:1.7
# One image for every role: `soma up`, `soma api`, `soma consumer`.
ARG RUST_IMAGE=rust:1.95.0-bookworm
ARG BASE_IMAGE=debian:12.12-slim

FROM ${RUST_IMAGE} AS chef
RUN cargo install --locked cargo-chef@0.1.73
WORKDIR /src

# What the dependencies follow from: the manifests and the lock file, nothing else.
FROM chef AS plan
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS build
COPY --from=plan /src/recipe.json recipe.json
# A layer of its own: it is built again when a dependency changes, not when the code does.
RUN cargo chef cook --release --locked --package soma-server --recipe-path recipe.json
COPY . .
RUN cargo build --release --locked --package soma-server --bin soma \
    && install -D --mode 0755 target/release/soma /out/usr/local/bin/soma \
    && install -d --mode 0700 --owner 10001 --group 10001 /out/var/lib/soma \
    && install -d --mode 0755 /out/etc/soma

FROM ${BASE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="SomaFractalMemory" \
    org.opencontainers.image.description="A memory store for AI agents in which the event log is the truth" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.source="https://github.com/somatechlat/somafractalmemory" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libstdc++6 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/ /
ENV SOMA_DATA_DIR=/var/lib/soma \
    SOMA_LOG_FORMAT=json
WORKDIR /etc/soma
USER 10001:10001
EXPOSE 9595 8001
STOPSIGNAL SIGTERM
# The binary asks itself: the server that SOMA_URL names, else the one on the data directory.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 CMD ["soma", "health"]
CMD ["soma", "up"]
