import Foundation
@testable import IstioPublishing
import KubernetesClient
import Logging
import TestBench
import Testing
import TestSupport
import YAMLFile

@Suite struct WriterLeaseTests {
    @Test(arguments: [
        (0.0, "1970-01-01T00:00:00.000000Z"), (1_795_710_996.5, "2026-11-26T16:36:36.500000Z"),
        (1_795_710_996.000_001, "2026-11-26T16:36:36.000001Z"),
        (1_795_710_996.999_999_9, "2026-11-26T16:36:37.000000Z"),
    ])
    func `times have six digits, as Kubernetes wants them`(seconds: Double, expected: String) {
        #expect(WriterLease.microTime(Date(timeIntervalSince1970: seconds)) == expected)
    }

    /// Runs two replicas' Leases against a stand-in API server.
    private func withReplicas(_ body: (APIServer, APIClient, WriterLease, WriterLease) async throws -> Void)
        async throws
    {
        try await withTemporaryDirectory { directory in
            let server = try await APIServer(try Certificates(in: directory))
            try server.kubeconfig().write(toFile: "\(directory)/config", atomically: true, encoding: .utf8)
            let api = APIClient(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }) {
                () throws(ConfigurationError) in try APIAccess(kubeconfig: "\(directory)/config", context: nil)
            }
            let leases = ["one", "two"].map { WriterLease(in: "istio-system", name: "ballast-west", identity: $0) }
            do {
                try await body(server, api, leases[0], leases[1])
            } catch {
                await api.shutdown()
                await server.stop()
                throw error
            }
            await api.shutdown()
            await server.stop()
        }
    }

    @Test func `one replica holds it, and the other takes over at once when it is given up`() async throws {
        try await withReplicas { _, api, one, two in
            // Times before the renewals, so that a busy machine changes nothing.
            let first = ContinuousClock.now
            try await one.renew(by: api)
            try await two.renew(by: api)
            #expect(one.isHeld(at: first) && !two.isHeld(at: first) && two.holder == "one")
            #expect(!one.isHeld(at: .now + WriterLease.use), "it writes no longer than it has renewed")
            await one.release(by: api)
            #expect(!one.isHeld(at: first))
            try await two.renew(by: api)
            #expect(two.isHeld(at: first) && two.holder == "two")
            try await one.renew(by: api)
            #expect(!one.isHeld(at: first))
        }
    }

    @Test func `a Lease of somebody else with any times and counters is taken over after its duration`() async throws {
        try await withReplicas { server, api, one, _ in
            server.put(
                "leases", "istio-system", "ballast-west", labels: [:],
                json: """
                    {"metadata":{"name":"ballast-west","namespace":"istio-system","resourceVersion":"$VERSION"},\
                    "spec":{"holderIdentity":"other","leaseDurationSeconds":1,"leaseTransitions":2147483647,\
                    "renewTime":"2999-01-01T00:00:00.000000Z"}}
                    """)
            try await one.renew(by: api)
            #expect(!one.isHeld(at: .now))
            try await eventually("it is taken over") {
                let now = ContinuousClock.now
                try await one.renew(by: api)
                return one.isHeld(at: now)
            }
            #expect(server.objects("leases").values.first?.contains("\"leaseTransitions\":1") == true)
        }
    }
}
