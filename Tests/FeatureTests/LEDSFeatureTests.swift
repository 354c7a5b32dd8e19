import Admin
import Balancing
import ControlPlane
import EnvoyAPI
import Model
import Serving
import Snapshots
import TestBench
import Testing
import TestSupport
import XDS

private let node = Node(
    id: "n", userAgent: "envoy", envoyVersion: EnvoyVersion(1, 40, 0), metadata: ["cluster": "east", "leds": "true"])

private func pods(_ count: Int, weight: Int = 1) -> String {
    let lines = (0..<count).map { number in
        "    - {name: e\(number), address: \"10.0.\(number / 250).\(number % 250 + 1):80\", weight: \(number == 7 ? weight : 1)}"
    }
    return "services:\n  httpbin:\n\(lines.joined(separator: "\n"))\n"
}

@Test(arguments: [true, false])
func `a changed pod of a thousand costs some hundred bytes`(isAlone: Bool) async throws {
    try await withTemporaryDirectory { directory in
        // Alone at its priority a locality's weight means nothing; beside another it has to be told, too.
        let configuration = try RunningControlPlane.configuration.replacingOnce(
            "httpbin: {resources", with: "httpbin: {balance: \(isAlone ? "local-first" : "global"), resources")
        try await RunningControlPlane.run(in: directory, configuration: configuration) { plane in
            try plane.write(pods(1_000), to: "east.yaml")
            try await plane.withChannel { channel in
                let client = await XDSClient(channel, .deltaAggregatedResources)
                await client.ask(DeltaRequest(subscribe: ["httpbin"]), node: node)
                let assignment = try await client.response()
                let resource = try #require(assignment.resources.first)
                #expect(resource.content.count < 1_000 && resource.type == TypeURL.clusterLoadAssignment.rawValue)
                await client.ask(DeltaRequest(nonce: assignment.nonce))
                let east: ResourceName = "xdstp://ballast/envoy.config.endpoint.v3.LbEndpoint/httpbin/0/east../*"
                await client.ask(DeltaRequest(subscribe: [east]), type: .endpoint)
                var endpoints: Set<String> = []
                while endpoints.count < 1_000 {
                    let response = try await client.response()
                    for resource in response.resources where response.type == TypeURL.endpoint.rawValue {
                        endpoints.insert(resource.name)
                    }
                    await client.ask(DeltaRequest(nonce: response.nonce), type: TypeURL(rawValue: response.type))
                }
                try plane.write(pods(1_000, weight: 5), to: "east.yaml")
                var types: [String] = []
                while types.last != TypeURL.endpoint.rawValue {
                    let response = try await client.response()
                    types.append(response.type)
                    #expect(response.resources.count == 1 && response.resources[0].content.count < 600)
                }
                #expect(types.count == (isAlone ? 1 : 2), "\(types)")
                try plane.write(pods(999, weight: 5), to: "east.yaml")
                let removal = try await client.response()
                let told = removal.type == TypeURL.endpoint.rawValue ? removal : try await client.response()
                #expect(told.removed.count == 1 && told.resources.isEmpty)
            }
        }
    }
}

@Test func `a rollout is a few publications`() async throws {
    try await withTemporaryDirectory { directory in
        let metrics = PrometheusMetrics()
        try await RunningControlPlane.run(in: directory, metrics: metrics) { plane in
            for count in 1...400 { try plane.write(pods(count), to: "east.yaml") }
            try await eventually("the last one is served") {
                let services = await plane.controlPlane.services(of: .init(cluster: "east", kind: .plain))
                return services?.first?.assignment.localities.first?.endpoints.count == 400
            }
            let line = metrics.text.split(separator: "\n").first { $0.hasPrefix("ballast_publications_total ") }
            let publications = line?.split(separator: " ").last.flatMap { Int($0) } ?? .max
            #expect(publications < 100, "of 400 changes")
        }
    }
}

@Test(arguments: [
    (EnvoyVersion(1, 36, 4), false), (EnvoyVersion(1, 38, 1), false), (EnvoyVersion(1, 38, 2), true),
    (EnvoyVersion(1, 40, 0), true), (nil, false),
])
func `Envoys that collections would end are served whole assignments, whatever they and the configuration say`(
    _ version: EnvoyVersion?, _ isServed: Bool
) async throws {
    try await withTemporaryDirectory { directory in
        let configuration = try RunningControlPlane.configuration.replacingOnce(
            "limits: {", with: "leds: true, limits: {")
        try await RunningControlPlane.run(in: directory, configuration: configuration) { plane in
            try await plane.withChannel { channel in
                let client = await XDSClient(channel, .deltaAggregatedResources)
                var node = node
                node.envoyVersion = version
                await client.ask(DeltaRequest(subscribe: ["httpbin"]), node: node)
                let assignment = try DecodedAssignment(
                    try #require(try await client.response().resources.first).content)
                #expect(assignment.localities.allSatisfy { $0.endpoints.isEmpty == isServed })
                let status = try #require(await plane.controlPlane.clients().first)
                #expect(status.view?.client?.usesLEDS == isServed)
                #expect(
                    status.notes.contains { $0.contains("gets whole assignments although it asks for LEDS") }
                        != isServed)
            }
        }
    }
}

@Test(
    arguments: [
        (EnvoyVersion(1, 39, 3), ["w1.httpbin.west.ballast"], true), (EnvoyVersion(1, 39, 3), [], false),
        (EnvoyVersion(1, 40, 0), ["w1.httpbin.west.ballast"], false),
    ] as [(EnvoyVersion, [ResourceName], Bool)])
func `a gateway that asks on demand and drops what it gets gets a note`(
    _ version: EnvoyVersion, _ names: [ResourceName], _ isTold: Bool
) async throws {
    try await withTemporaryDirectory { directory in
        try await RunningControlPlane.run(in: directory) { plane in
            try await plane.withChannel { channel in
                let client = await XDSClient(channel, .of(.cluster, .delta))
                let gateway = Node(
                    id: "g", userAgent: "envoy", envoyVersion: version,
                    metadata: ["cluster": "west", "role": "gateway"])
                await client.ask(DeltaRequest(subscribe: names), node: gateway, type: .cluster)
                _ = try await client.response()
                let notes = try #require(await plane.controlPlane.clients().first).notes
                #expect(notes.contains { $0.contains("Envoy 1.39.3 drops all but the first") } == isTold, "\(notes)")
            }
        }
    }
}
