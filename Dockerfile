# The operator's image: one program on distroless, as nobody, with nothing to write to but /cache.
FROM docker.io/library/rust:1.95-bookworm AS build
# aws-lc, the TLS library's cryptography, is C and built by cmake.
RUN apt-get update && apt-get install --yes --no-install-recommends cmake && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --locked --release --package pintle --bin pintle && cp target/release/pintle /pintle

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /pintle /usr/local/bin/pintle
# One arena, and memory given back early: the operator is at rest nearly always (docs/performance.md).
ENV MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=65536 MALLOC_MMAP_THRESHOLD_=65536
USER 65532:65532
VOLUME /cache
ENTRYPOINT ["/usr/local/bin/pintle"]
CMD ["operator", "--leader-elect", "--log-format=json", "--metrics-addr=0.0.0.0:8080", "--health-addr=0.0.0.0:9440", "--cache-dir=/cache"]
