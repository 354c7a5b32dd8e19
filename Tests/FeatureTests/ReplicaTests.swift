import Balancing
import ControlPlane
import EnvoyAPI
import Model
import Snapshots
import TestBench
import Testing
import TestSupport
import XDS

private let configuration = """
    cluster: east
    guard: off
    xds: {listen: "127.0.0.1:0"}
    clusters:
      east: {endpoints: {file: east.yaml}}
      west: {endpoints: {file: west.yaml}, gateways: ["127.0.0.9:15443"], reach: lanes, lanes: {gatewayPolicy: ROUND_ROBIN}}
      north: {endpoints: {file: west.yaml}, gateways: ["127.0.0.8:15443"], reach: gateway, refresh: true}
      south: {endpoints: {file: west.yaml}, gateways: ["127.0.0.7:15443"], reach: pods}
    services: {httpbin: {resources: [httpbin, "outbound|8000||httpbin"]}, other: {}}
    """

/// What each kind of client is sent of every type, as it is on the wire.
private func everything(_ plane: RunningControlPlane, _ variant: Variant) async throws -> [[DecodedResponse]] {
    let audiences: [[String: String]] = [[:], ["lanes": "true"], ["role": "gateway", "cluster": "south"]]
    var nodes = audiences.map { Node(id: "n", userAgent: "envoy", metadata: $0) }
    nodes.append(Node(id: "n", userAgent: "gRPC test"))
    var all: [[DecodedResponse]] = []
    for node in nodes {
        try await plane.withChannel { channel in
            var responses: [DecodedResponse] = []
            for type in [TypeURL.cluster, .clusterLoadAssignment, .listener, .routeConfiguration] {
                let method = variant == .sotw ? Method.streamAggregatedResources : .deltaAggregatedResources
                let client = await XDSClient(channel, method)
                let names: [ResourceName] =
                    [.cluster, .listener].contains(type) ? ["*"] : ["httpbin", "outbound|8000||httpbin", "other"]
                switch variant {
                case .sotw: await client.ask(names, node: node, type: type.rawValue)
                case .delta: await client.ask(DeltaRequest(subscribe: names), node: node, type: type)
                }
                responses.append(try await client.response())
                await client.cancel()
            }
            all.append(responses)
        }
    }
    return all
}

@Test(arguments: [Variant.sotw, .delta])
func `replicas that saw different things serve the same bytes and versions`(variant: Variant) async throws {
    try await withTemporaryDirectory { directory in
        try await RunningControlPlane.run(in: directory, configuration: configuration) { one in
            // The first sees pods go and come; the second starts with what there is.
            for pods in [["w1"], ["w1", "w2", "w3", "w4"], ["w4", "w2"]] {
                let list = pods.map { (name: $0, address: "10.0.2.\($0.dropFirst()):80") }
                try one.write(RunningControlPlane.endpoints(list), to: "west.yaml")
                try await eventually("the change is served") {
                    let viewer = ClientView(cluster: "east", kind: .lanes)
                    let service = await one.controlPlane.services(of: viewer)?.first
                    return service?.assignment.shares.first { $0.cluster == "west" }?.pods.count == pods.count
                }
            }
            try await RunningControlPlane.run(in: directory, isFed: false, configuration: configuration) { other in
                try await eventually("the second is ready") { await other.controlPlane.status.isReady }
                // Renewals of the first take their time.
                try await eventually(every: .milliseconds(200), "both serve the same") {
                    try await everything(one, variant) == everything(other, variant)
                }
                let all = try await everything(one, variant).flatMap { $0 }
                #expect(all.count == 16 && all.contains { $0.resources.count > 1 })
            }
        }
    }
}
