import ArgumentParser
import Foundation
import LoadClient
import TestBench

/// `make bench-kubernetes`: one watch with many services.
struct KubernetesScale: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kubernetes",
        abstract: "Measures Ballast at a stand-in API server: time to first sync, memory, and CPU while slices change."
    )

    @OptionGroup var options: ToolOptions

    @Option(help: "Services, each with one EndpointSlice.")
    var services = 5_000

    @Option(help: "Endpoints of each service.")
    var endpoints = 20

    @Option(help: "Slices that change in a second.")
    var changes = 100

    @Option(help: "For how long, in seconds.")
    var seconds = 30

    func run() async throws {
        let directory = options.absolute("\(options.output)/kubernetes")
        try? FileManager.default.removeItem(atPath: directory)
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        for hasWatchList in [true, false] {
            var settings = APIServer.Options()
            settings.hasWatchList = hasWatchList
            let server = try await APIServer(try Certificates(in: directory), settings)
            fill(server)
            try await measure(server, hasWatchList ? "watch-list" : "list in pages of 500, then watch", directory)
            await server.stop()
        }
    }

    private func fill(_ server: APIServer) {
        for index in 0..<services {
            put(index, 0, on: server)
            server.putService(
                "service-\(index)", in: "shop", labels: ["ballast.dev/export": "true"],
                annotations: ["ballast.dev/port": "http"])
        }
    }

    /// Creates or replaces a slice; the readiness of one pod depends on the version.
    private func put(_ index: Int, _ version: Int, on server: APIServer) {
        let pods = (0..<endpoints).map { pod in
            let number = index * endpoints + pod
            return APIServer.Endpoint(
                "service-\(index)-5d4f8c7b9-\(pod)", "10.\(number >> 16 & 0xff).\(number >> 8 & 0xff).\(number & 0xff)",
                ready: pod != 0 || version % 2 == 0, serving: pod != 0 || version % 2 == 0, terminating: false,
                zone: "zone-\(pod % 3)")
        }
        server.putSlice("service-\(index)-abcde", of: "service-\(index)", in: "shop", pods)
    }

    private func measure(_ server: APIServer, _ kind: String, _ directory: String) async throws {
        try server.kubeconfig().write(toFile: "\(directory)/config", atomically: true, encoding: .utf8)
        let network = "127.\(Int.random(in: 16...254)).\(Int.random(in: 1...254)).1"
        try """
        cluster: shop
        xds: {listen: "\(network):18000"}
        admin: {listen: "\(network):18080"}
        state: state
        clusters:
          shop: {endpoints: {kubernetes: {kubeconfig: config, export: true}}}
        services: {"*": {}}

        """.write(toFile: "\(directory)/ballast.yaml", atomically: true, encoding: .utf8)
        try? FileManager.default.removeItem(atPath: "\(directory)/state")
        let start = ContinuousClock.now
        let ballast = try ManagedProcess(
            "ballast", options.absolute(options.ballast), ["serve", "--config", "ballast.yaml"], directory: directory,
            logPath: "\(directory)/ballast.log")
        defer { Task { await ballast.stop() } }
        try await eventually(every: .milliseconds(20), "ready") {
            try await HTTPConnection.get(host: network, port: 18080, "/readyz").status == 200
        }
        let synced = ContinuousClock.now - start
        let process = Int(ballast.identifier)
        let after = ProcessUsage(of: process)
        say(
            """
            \(kind): \(services) services, \(services * endpoints) endpoints
              ready \(decimal(synced / .seconds(1))) s after its start, \(decimal(after?.cpuSeconds ?? 0)) s of CPU, \
            \(megabytes(after?.residentBytes)) MB, \(megabytes(after?.peakBytes)) MB at the peak
            """)

        // Wait, so that writing the state to disk after the start doesn't count as a cost of changes.
        try await ContinuousClock().sleep(for: .seconds(8))
        let before = ProcessUsage(of: process)
        let first = ContinuousClock.now
        for tick in 0..<changes * seconds {
            try await ContinuousClock().sleep(until: first + .seconds(1) / changes * tick, tolerance: .zero)
            put(tick % services, 1 + tick / services, on: server)
        }
        let took = (ContinuousClock.now - first) / .seconds(1)
        let now = ProcessUsage(of: process)
        let metrics = try await HTTPConnection.get(host: network, port: 18080, "/metrics").body
        let value = { (name: String) in
            metrics.split(separator: "\n").first { $0.hasPrefix(name + " ") }
                .flatMap { $0.split(separator: " ").last.flatMap { Double($0) } } ?? 0
        }
        let snapshots = value("ballast_source_to_snapshot_seconds_count")
        let mean = value("ballast_source_to_snapshot_seconds_sum") / max(snapshots, 1)
        let busy = ((now?.cpuSeconds ?? 0) - (before?.cpuSeconds ?? 0)) / took
        say(
            """
              \(changes) slices changed a second for \(seconds) s: \(decimal(100 * busy)) % of a core, \
            \(Int(snapshots)) snapshots, \(decimal(1_000 * mean)) ms from a change to its snapshot on average, \
            \(megabytes(now?.residentBytes)) MB
            """)
        await ballast.stop()
    }

    private func megabytes(_ bytes: Int?) -> Int { (bytes ?? 0) / 1_000_000 }
}
