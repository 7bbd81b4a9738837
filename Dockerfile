# syntax=docker/dockerfile:1
# Gatehouse as an image: the web pages' assets, the program, and a slim system to run it as nobody in particular.

FROM node:22-bookworm-slim AS assets
WORKDIR /src/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN --mount=type=cache,target=/root/.npm npm ci
COPY web/ ./
RUN npm run build

FROM rust:1.95-bookworm AS program
RUN apt-get update && apt-get install -y --no-install-recommends cmake && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
COPY --from=assets /src/web/dist web/dist
# Queries are checked against the committed .sqlx: no database is needed here.
ENV SQLX_OFFLINE=true
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package gatehouse && cp target/release/gatehouse /usr/local/bin/gatehouse

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --home-dir /var/lib/gatehouse --create-home gatehouse
COPY --from=program /usr/local/bin/gatehouse /usr/local/bin/gatehouse
USER 10001:10001
WORKDIR /var/lib/gatehouse
# Inside a container loopback is nobody's: everything listens on all addresses, and what is published decides.
ENV GATEHOUSE_DATA_DIR=/var/lib/gatehouse \
    GATEHOUSE_ADMIN_LISTEN=0.0.0.0:8001 \
    GATEHOUSE_PORTAL_LISTEN=0.0.0.0:8002 \
    GATEHOUSE_PROXY_LISTEN=0.0.0.0:8000 \
    GATEHOUSE_PROXY_TLS_LISTEN=0.0.0.0:8443 \
    GATEHOUSE_STATUS_LISTEN=0.0.0.0:8100
VOLUME /var/lib/gatehouse
# Traffic, console and API, portal, status.
EXPOSE 8000 8443 8001 8002 8100
ENTRYPOINT ["gatehouse"]
# There is no Postgres in this image: DATABASE_URL names one.
CMD ["control"]
