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
