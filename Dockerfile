# Ballast in a small image: the Swift runtime is linked in; libgrpc and libprotobuf-c are Debian's.
#
#   docker build -t ballast .

FROM swift:6.2-bookworm AS build
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends libgrpc-dev libc-ares-dev libssl-dev libprotobuf-c-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY Package.swift ./
COPY Sources Sources
COPY Tests Tests
RUN swift build -c release --product ballast --static-swift-stdlib --disable-index-store \
    && strip "$(swift build -c release --show-bin-path)/ballast" -o /ballast

FROM debian:bookworm-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends libgrpc29 libc-ares2 libprotobuf-c1 ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /ballast /usr/bin/ballast
# Nobody's, and nothing of the root file system is written to: state goes to a volume.
USER 65532:65532
ENTRYPOINT ["/usr/bin/ballast"]
CMD ["serve", "--config", "/etc/ballast/ballast.yaml"]
