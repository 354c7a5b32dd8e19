import Admin
import Balancing
import ControlPlane
import EnvoyAPI
import Foundation
import MeshConfiguration
import Model
import Snapshots
import Testing
import TestSupport
import XDS
import YAMLFile

/// Which configuration is in force, and what is known of one that is not.
@Suite struct ConfigurationStatusTests {
    @Test func `a refused configuration is known until the next good one`() async throws {
        try await withTemporaryDirectory { directory in
            let metrics = PrometheusMetrics()
            try await RunningControlPlane.run(in: directory, metrics: metrics) { plane in
                let first = await plane.controlPlane.status.configuration
                #expect(first.refusal == nil && !first.version.isEmpty)
                let other = try plane.configuration(replacing: "other: {}", with: "other: {weights: {west: 2}}")
                #expect(other.version != first.version)
                let error = #expect(throws: ConfigurationError.self) { try plane.configuration("cluster: 1\nx: 2\n") }
                plane.controlPlane.refuse(try #require(error))
                let refused = await plane.controlPlane.status.configuration
                #expect(refused.version == first.version)
                #expect(refused.refusal?.reason == "\(try #require(error))")
                #expect(metrics.text.contains("ballast_configuration_refused 1"))
                #expect(metrics.text.contains("ballast_configuration_info{version=\"\(first.version)\"} 1"))
                await plane.controlPlane.reload(other)
                let second = await plane.controlPlane.status.configuration
                #expect(second.refusal == nil && second.version == other.version && second.loaded > first.loaded)
                #expect(metrics.text.contains("ballast_configuration_refused 0"))
                #expect(!metrics.text.contains(first.version), "only the one in force")
                // What waits for a start is named.
                await plane.controlPlane.reload(
                    try plane.configuration(replacing: "namesPerStream: 1000", with: "namesPerStream: 999"))
                #expect(await plane.controlPlane.status.configuration.pending == ["xds"])
            }
        }
    }

    @Test func `a reload before the sources have started counts`() async throws {
        try await withTemporaryDirectory { directory in
            let text = try RunningControlPlane.configuration.replacingOnce("file: west.yaml", with: "file: other.yaml")
            try await RunningControlPlane.run(in: directory) { controlPlane, directory in
                try RunningControlPlane.endpoints([("o1", "10.0.2.9:80")])
                    .write(toFile: "\(directory)/other.yaml", atomically: true, encoding: .utf8)
                await controlPlane.reload(try Configuration(text: text, file: "\(directory)/ballast.yaml"))
            } _: { plane in
                let page = await plane.controlPlane.service("httpbin", of: ClientView(cluster: "east", kind: .plain))
                #expect(page?.assignment.shares.last?.pods.map(\.name) == ["o1"])
            }
        }
    }

    /// The rules of another configuration are about clients with certificates, which plaintext clients don't have.
    @Test func `rules that need other TLS settings wait for the next start with them`() async throws {
        try await withTemporaryDirectory { directory in
            try await RunningControlPlane.run(in: directory) { plane in
                try await plane.withChannel { channel in
                    let method = try #require(Method.endpointMethods.first { $0.variant == .delta })
                    let xds = await XDSClient(channel, method)
                    let node = Node(id: "n", cluster: "c", userAgent: "envoy")
                    await xds.subscribe(["httpbin"], node: node)
                    await xds.acknowledge(try await xds.response(), names: ["httpbin"])
                    await plane.controlPlane.reload(
                        try plane.configuration(
                            replacing: "xds: {",
                            with: "xds: {tls: {certificate: c, key: k, clientCA: a, allow: [{identity: x.example}]}, "))
                    #expect(await plane.controlPlane.status.configuration.pending == ["xds"])
                    try plane.write(RunningControlPlane.endpoints([("e9", "10.0.1.9:80")]), to: "east.yaml")
                    #expect(try await !xds.response().resources.isEmpty)
                }
            }
        }
    }
}
