import ArgumentParser
import Foundation
import Model
import TestBench

/// Measures what sidecars do with each kind of reach, through gateways that are configured as istiod would.
struct Istio: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Scales west from one pod to three under a sidecar's load, and counts what each pod gets.",
        discussion: "Sidecar, pods and gateways are Envoys that are configured as istiod would configure them.")

    @OptionGroup var options: ToolOptions

    @Option(help: "The requests that are counted in each scene.")
    var requests = 3_000

    @Option(help: "The sidecar's policy, Istio's by default.")
    var policy = "LEAST_REQUEST"

    /// A way to west's pods.
    private enum Way: String, CaseIterable {
        /// The gateway's address as one more endpoint of the service, without Ballast's weights.
        case imported
        /// The same, with a new connection after every second request.
        case workaround
        case gateway, lanes, pods
        /// As `pods`, with SNIs that west's Ballast publishes.
        case published

        var title: String {
            switch self {
            case .imported: "imported, unweighted"
            case .workaround: "imported, 2 requests per connection"
            case .gateway: "gateway, refresh"
            case .lanes: "lanes"
            case .pods: "pods, a StatefulSet's subsets"
            case .published: "pods, published"
            }
        }

        var reach: Plan.Reach {
            switch self {
            case .imported, .workaround: .imported
            case .gateway: .refresh
            case .lanes: .lanes
            case .pods, .published: .pods
            }
        }

        var filters: [String] {
            switch self {
            case .imported, .workaround, .gateway: ["sidecar.yaml"]
            case .lanes: ["sidecar.yaml", "sidecar-lanes.yaml"]
            case .pods, .published: ["sidecar.yaml", "sidecar-lanes.yaml", "sidecar-pods.yaml"]
            }
        }
    }

    private static let subsetHost = "httpbin.west.ballast.local"
    private static let (before, after) = (["w1"], ["w1", "w2", "w3"])

    func run() async throws {
        say("| | e1 e2 | w1 w2 w3 | failed | connections opened while west grows, and later |")
        say("|---|---|---|---|---|")
        for way in Way.allCases {
            for upstream in Bench.UpstreamProtocol.allCases {
                let bench = try Bench(options.tools, directory: options.absolute("\(options.output)/istio"))
                try await stopping(bench) {
                    try await Stage.prepare(bench, withSidecars: true)
                    try bench.publish(["e1", "e2"].map(bench.pod), in: "east")
                    try bench.publish(Self.before.map(bench.pod), in: "west")
                    say(try await play(way, Stage(bench, upstream, workers: 2)))
                }
            }
        }
    }

    /// One line of the table.
    private func play(_ way: Way, _ stage: Stage) async throws -> String {
        let bench = stage.bench
        guard way == .published else {
            let gateway = IstioGateway(bench, at: 5)
            try await gateway.start(routes(Self.before, bench))
            try bench.write(
                "services: {httpbin: [{name: west-gateway, address: \"\(gateway.address)\"}]}\n",
                to: "west-imported.yaml")
            try await stage.reload(configuration(way, stage))
            return try await measure(way, stage, gateway: 5) {
                // istiod tells the gateway at the same time as Ballast tells clients; here the gateway is first.
                try gateway.configure(routes(Self.after, bench))
                try bench.publish(Self.after.map(bench.pod), in: "west")
            }
        }
        let whole = try [Certificates.serviceName: Self.after.map { try bench.pod($0).address }]
        var line = ""
        try await PublishedWest.running(on: bench, fixed: whole) { west in
            try bench.write(
                PublishedWest.configuration(bench, at: 7, slots: 6, keepFor: "10s"), to: "west-ballast.yaml")
            try await bench.startBallast(name: "west", config: "west-ballast.yaml", at: "\(bench.network)7")
            try await stage.reload(sidecars(PublishedWest.eastern(bench, stage.upstream, from: 7)))
            line = try await measure(way, stage, gateway: 6) {
                try bench.publish(Self.after.map(bench.pod), in: "west")
            }
        }
        return line
    }

    /// Puts a sidecar under load while `scale` is called, and counts what each pod gets afterwards.
    private func measure(
        _ way: Way, _ stage: Stage, gateway: Int, _ scale: @Sendable () async throws -> Void
    ) async throws -> String {
        let bench = stage.bench
        var sidecar = try IstioSidecar(bench, stage.upstream)
        for filter in way.filters { try sidecar.apply(filter, gateway: gateway) }
        sidecar.set("lb_policy", policy)
        if way == .workaround { try sidecar.limit(requestsPerConnection: 2) }
        try await bench.startEnvoy("client", sidecar.write(), bench.client, concurrency: 2)
        try await eventually("requests succeed") { try await Load.run(100, on: bench).failed == 0 }
        let connections = "cluster.\(IstioSidecar.service).upstream_cx_total"
        let first = try await bench.client.stat(connections)
        let whole = try await Load(bench).around(pause: .milliseconds(1)) { _ in
            try await scale()
            // Lanes and refreshed gateways change in steps.
            try await Task.sleep(for: .seconds(12))
        }
        let before = try await bench.client.stat(connections)
        let counted = try await Load.run(requests, on: bench)
        let opened = try await bench.client.stat(connections) - before
        let shares = { (names: [String]) in
            names.map { name in
                String(format: "%.1f", Double(counted.byPod[name] ?? 0) / Double(counted.requests) * 100)
            }.joined(separator: " ")
        }
        return """
            | \(way.title), \(stage.upstream) | \(shares(["e1", "e2"])) | \(shares(Self.after)) \
            | \(whole.failed + counted.failed) of \(whole.requests + counted.requests) | \(before - first) and \(opened) |
            """
    }

    /// A subset for each pod, and the service itself.
    private func routes(_ pods: [String], _ bench: Bench) throws -> [String: [SocketAddress]] {
        var routes = [Certificates.serviceName: try pods.map { try bench.pod($0).address }]
        for name in ["w1", "w2", "w3"] {
            routes[IstioGateway.sni(Self.subsetHost, subset: name)] =
                pods.contains(name) ? [try bench.pod(name).address] : []
        }
        return routes
    }

    private func configuration(_ way: Way, _ stage: Stage) -> String {
        var plan = Plan(way.reach)
        plan.gateways = [5]
        return sidecars(plan.configuration(stage.bench, stage.upstream))
            .replacing(
                "    reach: pods\n",
                with: "    reach: pods\n    sni: \"outbound_.8000_.{pod}_.{service}.{cluster}.ballast.local\"\n"
            )
    }

    /// With the names that sidecars ask for, and the metadata that they choose TLS by.
    private func sidecars(_ text: String) -> String {
        text.replacing(
            "    sni: \(Certificates.serviceName)\n",
            with: """
                    sni: \(Certificates.serviceName)
                    resources: [httpbin, "\(IstioSidecar.service)"]
                    metadata: {envoy.transport_socket_match: {tlsMode: istio}}

                """)
    }
}
