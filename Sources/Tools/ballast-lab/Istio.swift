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
        case gateway, lanes, pods

        var reach: Plan.Reach {
            switch self {
            case .gateway: .refresh
            case .lanes: .lanes
            case .pods: .pods
            }
        }

        var filters: [String] {
            switch self {
            case .gateway: ["sidecar.yaml"]
            case .lanes: ["sidecar.yaml", "sidecar-lanes.yaml"]
            case .pods: ["sidecar.yaml", "sidecar-lanes.yaml", "sidecar-pods.yaml"]
            }
        }
    }

    private static let subsetHost = "httpbin.west.ballast.local"

    func run() async throws {
        say("| | e1 e2 | w1 w2 w3 | failed | connections |")
        say("|---|---|---|---|---|")
        for way in Way.allCases {
            for upstream in Bench.UpstreamProtocol.allCases {
                let bench = try Bench(options.tools, directory: options.absolute("\(options.output)/istio"))
                try await stopping(bench) {
                    try await Stage.prepare(bench, withSidecars: true)
                    say(try await play(way, upstream, Stage(bench, upstream, workers: 2)))
                }
            }
        }
    }

    /// One line of the table.
    private func play(_ way: Way, _ upstream: Bench.UpstreamProtocol, _ stage: Stage) async throws -> String {
        let bench = stage.bench
        let (before, after) = (["w1"], ["w1", "w2", "w3"])
        let gateway = IstioGateway(bench, at: 5)
        try await gateway.start(routes(before, bench))
        try bench.publish(["e1", "e2"].map(bench.pod), in: "east")
        try bench.publish(before.map(bench.pod), in: "west")
        try await stage.reload(configuration(way, stage, gateway))
        var sidecar = try IstioSidecar(bench, upstream)
        for filter in way.filters { try sidecar.apply(filter, gateway: 5) }
        sidecar.set("lb_policy", policy)
        try await bench.startEnvoy("client", sidecar.write(), bench.client, concurrency: 2)
        try await eventually("requests succeed") { try await Load.run(100, on: bench).failed == 0 }
        let connections = "cluster.\(IstioSidecar.service).upstream_cx_total"
        let whole = try await Load(bench).around(pause: .milliseconds(1)) { _ in
            // istiod tells the gateway at the same time as Ballast tells clients; here the gateway is first.
            try gateway.configure(routes(after, bench))
            try bench.publish(after.map(bench.pod), in: "west")
            // Lanes and refreshed gateways change in steps.
            try await Task.sleep(for: .seconds(12))
        }
        let counted = try await Load.run(requests, on: bench)
        let shares = { (names: [String]) in
            names.map { name in
                String(format: "%.1f", Double(counted.byPod[name] ?? 0) / Double(counted.requests) * 100)
            }.joined(separator: " ")
        }
        return """
            | \(way.rawValue), \(upstream) | \(shares(["e1", "e2"])) | \(shares(after)) \
            | \(whole.failed + counted.failed) of \(whole.requests + counted.requests) \
            | \(try await bench.client.stat(connections)) |
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

    private func configuration(_ way: Way, _ stage: Stage, _ gateway: IstioGateway) -> String {
        var plan = Plan(way.reach)
        plan.gateways = [5]
        return plan.configuration(stage.bench, stage.upstream)
            .replacing(
                "    reach: pods\n",
                with: "    reach: pods\n    sni: \"outbound_.8000_.{pod}_.{service}.{cluster}.ballast.local\"\n"
            )
            .replacing(
                "    sni: \(Certificates.serviceName)\n",
                with: """
                        sni: \(Certificates.serviceName)
                        resources: [httpbin, "\(IstioSidecar.service)"]
                        metadata: {envoy.transport_socket_match: {tlsMode: istio}}

                    """)
    }
}
