public import ControlPlane
public import CoreMetrics
import Foundation
public import GRPCTransport
import Logging
public import MeshConfiguration
import ServiceLifecycle
import Synchronization
import TestBench

/// A control plane in this process, on a port of its own, fed by files in a directory.
public struct RunningControlPlane: Sendable {
    /// The one under test.
    public let controlPlane: ControlPlane
    /// Its xDS port.
    public let port: UInt16
    /// Where `east.yaml` and `west.yaml` are.
    public let directory: String

    /// Two clusters, west behind one gateway, and three services.
    public static let configuration = """
        cluster: east
        guard: off
        xds: {listen: "127.0.0.1:0", limits: {namesPerStream: 1000}}
        clusters:
          east: {endpoints: {file: east.yaml}}
          west: {endpoints: {file: west.yaml}, gateways: ["127.0.0.9:15443"]}
        services:
          httpbin: {resources: [httpbin, "outbound|8000||httpbin"]}
          other: {}
          third: {}
        """

    /// Pods of `httpbin`, as a file.
    public static func endpoints(_ pods: [(name: String, address: String)]) -> String {
        let list = pods.map { "    - {name: \($0.name), address: \"\($0.address)\"}" }.joined(separator: "\n")
        return "services:\n  httpbin:\(pods.isEmpty ? " []" : "\n" + list)\n"
    }

    /// Writes one of the endpoints files.
    public func write(_ text: String, to file: String) throws {
        try text.write(toFile: "\(directory)/\(file)", atomically: true, encoding: .utf8)
    }

    /// The configuration with a change.
    public func configuration(replacing old: String, with new: String) throws -> Configuration {
        try Configuration(text: Self.configuration.replacingOnce(old, with: new), file: "\(directory)/ballast.yaml")
    }

    /// A configuration of other text, as if it had been in the file.
    public func configuration(_ text: String) throws -> Configuration {
        try Configuration(text: text, file: "\(directory)/ballast.yaml")
    }

    /// Opens a channel for as long as `body` runs.
    public func withChannel<Result>(_ body: (Channel) async throws -> Result) async throws -> Result {
        let channel = try Channel(address: "127.0.0.1:\(port)")
        do {
            let result = try await body(channel)
            await channel.shutdown()
            return result
        } catch {
            await channel.shutdown()
            throw error
        }
    }

    /// Runs one for as long as `body` does.
    ///
    /// With two pods in east and three in west, unless `isFed` is false.
    ///
    /// - Parameter before: called before it runs.
    public static func run(
        in directory: String, isFed: Bool = true, configuration: String = configuration,
        metrics: any MetricsFactory = NOOPMetricsHandler.instance,
        before: (ControlPlane, _ directory: String) async throws -> Void = { _, _ in },
        _ body: (RunningControlPlane) async throws -> Void
    ) async throws {
        let started = AsyncStream.makeStream(of: UInt16.self)
        let settings = try Configuration(text: configuration, file: "\(directory)/ballast.yaml")
        let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let controlPlane = ControlPlane(settings, version: "test", metrics: metrics, logger: quiet) {
            started.continuation.yield($0)
        }
        if isFed {
            try endpoints([("e1", "10.0.1.1:80"), ("e2", "10.0.1.2:80")])
                .write(toFile: "\(directory)/east.yaml", atomically: true, encoding: .utf8)
            try endpoints([("w1", "10.0.2.1:80"), ("w2", "10.0.2.2:80"), ("w3", "10.0.2.3:80")])
                .write(toFile: "\(directory)/west.yaml", atomically: true, encoding: .utf8)
        }
        try await before(controlPlane, directory)
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(services: [controlPlane], logger: quiet)
        )
        let running = Task { try await group.run() }
        var ports = started.stream.makeAsyncIterator()
        guard let port = await ports.next() else { return try await running.value }
        let plane = RunningControlPlane(controlPlane: controlPlane, port: port, directory: directory)
        do {
            if isFed { try await eventually("the control plane is ready") { await controlPlane.status.isReady } }
            try await body(plane)
        } catch {
            await group.triggerGracefulShutdown()
            _ = await running.result
            throw error
        }
        await group.triggerGracefulShutdown()
        try await running.value
    }
}
