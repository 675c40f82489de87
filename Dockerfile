# docker build -t tailcast . && docker run --rm -p 8000:8000 -v /srv/recordings:/srv/recordings:ro tailcast

FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked \
    && strip target/release/tailcast

FROM debian:bookworm-slim
# By number, so that `runAsNonRoot` and the like can tell that it is not root.
USER 65534:65534
COPY --from=build /src/target/release/tailcast /usr/bin/tailcast
COPY --from=build /src/LICENSE-MIT /src/LICENSE-APACHE /usr/share/doc/tailcast/
ENV TAILCAST_ROOT=/srv/recordings TAILCAST_LISTEN=0.0.0.0:8000
VOLUME /srv/recordings
EXPOSE 8000
STOPSIGNAL SIGTERM
# By bash alone: there is no curl in the image.
HEALTHCHECK --interval=30s --timeout=3s --start-period=5s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8000 && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q '^ok' <&3"]
ENTRYPOINT ["/usr/bin/tailcast"]
CMD ["serve"]
