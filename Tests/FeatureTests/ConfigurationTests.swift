import Admin
import ControlPlane
import MeshConfiguration
import Testing
import TestSupport
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
                #expect(metrics.text.contains("ballast_configuration_info{version=\"\(first.version)\"} 0"))
                // What waits for a start is named.
                await plane.controlPlane.reload(
                    try plane.configuration(replacing: "namesPerStream: 1000", with: "namesPerStream: 999"))
                #expect(await plane.controlPlane.status.configuration.pending == ["xds"])
            }
        }
    }
}
