import TestBench
import Testing
import TestSupport

@Test func `proto holds what Envoy's own descriptors hold`() throws {
    let report = try run(
        "\(repository)/.build/venv/bin/python", ["Tests/EnvoyAPITests/check_descriptors.py", "proto"],
        directory: repository
    )
    #expect(report.contains("messages agree"), "\(report)")
}

@Test func `a wrong number, type, label or name in proto is found`() throws {
    let changes = [
        "s/string version_info = 1/string version_info = 9/", "s/string nonce = 5/bytes nonce = 5/",
        "s/repeated string removed_resources/string removed_resources/", "s/string nonce = 5/string nonse = 5/",
        "s/message ControlPlane/message ControlPlain/;s/v3.ControlPlane/v3.ControlPlain/",
        "s/DRAINING = 3/DRAINING = 7/",
        "s/rpc DeltaAggregatedResources/rpc DeltaAggregated/", "s/uint32 port_value/uint64 port_value/",
        "s/  oneof host_identifier {/  oneof host {/",
    ]
    for change in changes {
        #expect(throws: BenchError.self, "\(change)") {
            try run(
                "bash",
                [
                    "-c",
                    """
                    set -e
                    copy=$(mktemp -d); trap 'rm -rf "$copy"' EXIT
                    cp -r proto/. "$copy"
                    find "$copy" -name '*.proto' -exec sed -i '\(change)' {} +
                    diff -rq proto "$copy" >/dev/null && exit 0
                    .build/venv/bin/python Tests/EnvoyAPITests/check_descriptors.py "$copy"
                    """,
                ],
                directory: repository
            )
        }
    }
}

@Test func `the committed C is what proto makes`() throws {
    let version = try run("bash", ["-c", "protoc-c --version 2>/dev/null || echo none"], directory: repository)
    // Another protoc-c words its C another way.
    guard version.contains("protobuf-c 1.4.1") else { return }
    try run(
        "bash",
        [
            "-c",
            """
            set -e
            copy=$(mktemp -d); trap 'rm -rf "$copy"' EXIT
            mkdir -p "$copy/Sources/C"
            cp -r proto scripts "$copy"
            "$copy/scripts/proto"
            diff -r Sources/C/CEnvoyAPI "$copy/Sources/C/CEnvoyAPI"
            """,
        ],
        directory: repository
    )
}
