import Balancing
import TestBench
import TestSupport
import Testing

@Test func `a Python client gets the same endpoints over all four methods`() async throws {
    try await withBench { bench in
        try bench.publish(["e1", "e2"].map(bench.pod), in: "east")
        try bench.publish(["w1", "w2", "w3"].map(bench.pod), in: "west")
        try await bench.startBallast()
        let output = try run(
            "\(repository)/.build/venv/bin/python",
            ["\(repository)/Tests/EnvoyTests/discover.py", "\(bench.host):\(Bench.xdsPort)"], directory: bench.directory
        )
        let east = try ["e1", "e2"].map { "\(try bench.pod($0).address) weight 1 of 2 in east" }
        let expected = (east + ["\(bench.host):15443 weight 3 of 3 in west"]).joined(separator: ", ")
        let lines = output.split(separator: "\n")
        #expect(lines.count == 4)
        for line in lines { #expect(line.hasSuffix(": \(expected)"), "\(line)") }
    }
}

@Test func `a gRPC client without a proxy balances over local and remote pods`() async throws {
    try await withBench { bench in
        // Remote pods of the same network; and another cluster behind a gateway, which for gRPC is one address.
        let pods = try ["e1", "e2", "w1", "w2", "w3"].map(bench.pod)
        let config = try bench.template("ballast.yaml")
            .replacing("    locality: {region: west}", with: "    locality: {region: west}\n    network: east")
        try bench.write(config, to: "ballast.yaml")
        try await bench.startBallast()
        try bench.write(bench.template("grpc-bootstrap.json"), to: "grpc-bootstrap.json")
        let output = try run(
            "\(repository)/.build/venv/bin/python",
            ["\(repository)/Tests/EnvoyTests/grpc_client.py", "grpc-bootstrap.json", "httpbin", "500"]
                + pods.map { "\($0.name)=\($0.address)" },
            directory: bench.directory)
        let counts = Dictionary(
            output.split(whereSeparator: \.isWhitespace).compactMap { pair -> (String, Int)? in
                let parts = pair.split(separator: "=")
                return parts.count == 2 ? Int(parts[1]).map { (String(parts[0]), $0) } : nil
            },
            uniquingKeysWith: { $1 })
        #expect(counts["failed"] == 0, "\(output)")
        // gRPC picks localities by chance, in proportion to their weights.
        for pod in pods { #expect((60...140).contains(counts[pod.name] ?? 0), "\(output)") }
    }
}
