import Conformance
import Foundation
import TestBench
import Testing
import TestSupport

extension EnvoyTests {
    /// The conformance suite against a running Ballast.
    @Suite(.serialized, .newestEnvoyOnly) struct ConformanceTests {
        @Test func `the server keeps every rule of the conformance suite`() async throws {
            try await withTemporaryDirectory { directory in
                let servers = BallastServers(program: tools.ballast, directory: directory)
                let outcome = try await runConformance { try await servers.start("\($0)") }
                await servers.stop()
                #expect(outcome.counts.failed == 0 && outcome.counts.skipped == 0, "\(outcome.table)")
                // What `make conformance` wrote last.
                let page = try String(
                    contentsOfFile: "\(repository)/docs/reference/conformance.md", encoding: .utf8)
                #expect(page.contains(outcome.table) && page.contains(outcome.summary), "run make conformance")
            }
        }
    }
}
