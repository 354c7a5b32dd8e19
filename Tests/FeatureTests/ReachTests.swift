import Balancing
import ControlPlane
import EnvoyAPI
import Foundation
import GRPCTransport
import MeshConfiguration
import Model
import Serving
import Snapshots
import TestBench
import Testing
import TestSupport
import XDS

private let client = Node(id: "client", userAgent: "envoy", metadata: ["cluster": "east", "lanes": "true"])
private let plain = Node(id: "plain", userAgent: "envoy", metadata: ["cluster": "east"])
private let proxyless = Node(id: "grpc", userAgent: "gRPC C-core linux Python", metadata: ["lanes": "true"])
private let gateway = Node(id: "gateway", userAgent: "envoy", metadata: ["cluster": "west", "role": "gateway"])

/// A control plane whose west is reached by pods, and whose httpbin has an SNI.
private func running(_ body: (RunningControlPlane, Channel) async throws -> Void) async throws {
    let configuration = try RunningControlPlane.configuration
        .replacingOnce("127.0.0.9:15443\"]}", with: "127.0.0.9:15443\"], reach: pods}")
        .replacingOnce("httpbin: {", with: "httpbin: {sni: httpbin.mesh, ")
    try await withTemporaryDirectory { directory in
        try await RunningControlPlane.run(in: directory, configuration: configuration) { plane in
            try await plane.withChannel { try await body(plane, $0) }
        }
    }
}

private func reload(_ plane: RunningControlPlane, _ reach: String) async throws {
    let text = try RunningControlPlane.configuration
        .replacingOnce("127.0.0.9:15443\"]}", with: "127.0.0.9:15443\"], reach: \(reach)}")
        .replacingOnce("httpbin: {", with: "httpbin: {sni: httpbin.mesh, ")
    await plane.controlPlane.reload(try Configuration(text: text, file: "\(plane.directory)/ballast.yaml"))
}

@Suite struct ReachTests {
    /// West is reached through tunnels, south by pods.
    private static let tunnels = """
        cluster: east
        guard: off
        xds: {listen: "127.0.0.1:0"}
        clusters:
          east: {endpoints: {file: east.yaml}}
          west:
            endpoints: {file: west.yaml}
            gateways: ["127.0.0.9:15008"]
            reach: hbone
            hbone: {gateway: {ca: ca.crt}, pods: {ca: ca.crt}}
          south: {endpoints: {file: south.yaml}, gateways: ["127.0.0.8:15443"], reach: pods}
        services:
          httpbin: {port: 8000}
        """

    @Test func `an Envoy before 1.38 gets no tunnels, and keeps everything else`() async throws {
        try await withTemporaryDirectory { directory in
            try RunningControlPlane.endpoints([("s1", "10.0.3.1:80")])
                .write(toFile: "\(directory)/south.yaml", atomically: true, encoding: .utf8)
            try await RunningControlPlane.run(in: directory, configuration: Self.tunnels) { plane in
                try await plane.withChannel { channel in
                    for (version, hasTunnels) in [(EnvoyVersion(1, 37, 3), false), (EnvoyVersion(1, 38, 0), true)] {
                        var node = client
                        node.id = "client of \(version)"
                        node.envoyVersion = version
                        let stream = await XDSClient(channel, .deltaAggregatedResources)
                        await stream.ask(DeltaRequest(subscribe: ["*"]), node: node, type: .listener)
                        let answer = try await stream.response()
                        let listeners = Set(answer.resources.map(\.name))
                        await stream.ask(DeltaRequest(nonce: answer.nonce), type: .listener)
                        #expect(
                            listeners
                                == (hasTunnels ? ["south_gateway", "west_gateway", "west_pods"] : ["south_gateway"]))
                        await stream.ask(DeltaRequest(subscribe: ["httpbin"]))
                        let found = try endpoints(try await stream.response())
                        #expect(found.contains { $0.hasPrefix("south_gateway/s1.httpbin.south.ballast") })
                        #expect(
                            found.contains { $0.hasPrefix("west_pods/w1.httpbin.svc.cluster.local:8000") } == hasTunnels
                        )
                        let status = await plane.controlPlane.clients().first { $0.node == node.id }
                        #expect(status?.notes.contains { $0.contains("no endpoints of west") } == !hasTunnels)
                    }
                }
            }
        }
    }

    @Test(arguments: Method.endpointMethods)
    func `a client that says lanes gets pods, gRPC and other clients get the gateway, and the status says so`(
        method: Method
    )
        async throws
    {
        try await running { plane, channel in
            for (node, expected, reduced) in [
                (client, (1...3).map { "west_gateway/w\($0).httpbin.west.ballast 1" }, [ClusterName]()),
                (plain, ["127.0.0.9:15443 3"], ["west"]),
                (proxyless, ["127.0.0.9:15443 3"], ["west"]),
            ] {
                let stream = await XDSClient(channel, method)
                await stream.subscribe(["httpbin"], node: node)
                let response = try await stream.response()
                #expect(try endpoints(response) == ["10.0.1.1:80 1", "10.0.1.2:80 1"] + expected)
                let status = await plane.controlPlane.clients().first { $0.node == node.id }
                #expect(
                    (status?.notes.joined().contains("gateway addresses only for west") == true)
                        == (reduced == ["west"]))
            }
        }
    }

    @Test func `pods come with their SNI, and without a health check that can't reach them`() async throws {
        try await running { _, channel in
            let stream = await XDSClient(channel, .of(.clusterLoadAssignment, .sotw))
            await stream.subscribe(["httpbin"], node: client)
            let assignment = try DecodedAssignment(try #require(try await stream.response().resources.first).content)
            let names = assignment.localities.flatMap(\.endpoints).map(\.hostname)
            #expect(
                names == [nil, nil, "w1.httpbin.west.ballast", "w2.httpbin.west.ballast", "w3.httpbin.west.ballast"])
        }
    }

    @Test func `a client that refuses its listeners gets endpoints without them, until it accepts them`() async throws {
        try await running { plane, channel in
            let stream = await XDSClient(channel, .deltaAggregatedResources)
            await stream.ask(DeltaRequest(subscribe: ["*"]), node: client, type: .listener)
            let listeners = try await stream.response()
            #expect(listeners.resources.map(\.name) == ["west_gateway"])
            await stream.ask(DeltaRequest(nonce: listeners.nonce, rejection: "no such\nextension"), type: .listener)
            try await eventually("noted") {
                await plane.controlPlane.clients().first?.notes.contains {
                    $0.contains("refuses its listeners: no such extension. Its bootstrap needs")
                } == true
            }
            await stream.ask(DeltaRequest(subscribe: ["httpbin"]), type: .clusterLoadAssignment)
            #expect(
                try endpoints(try await stream.response()) == ["10.0.1.1:80 1", "10.0.1.2:80 1", "127.0.0.9:15443 3"])
            // It has them after all.
            await stream.ask(DeltaRequest(subscribe: ["west_gateway"]), type: .listener)
            let again = try await stream.response()
            await stream.ask(DeltaRequest(nonce: again.nonce), type: .listener)
            try await eventually("no note") {
                await plane.controlPlane.clients().first?.notes.contains { $0.contains("refuses") } == false
            }
        }
    }

    @Test
    func `a client that would send plaintext to pods behind a gateway gets a note, and one line about a missing name`()
        async throws
    {
        try await running { plane, channel in
            let stream = await XDSClient(channel, .deltaAggregatedResources)
            await stream.ask(DeltaRequest(subscribe: ["*"]), node: plain, type: .cluster)
            _ = try await stream.response()
            let notes = try #require(await plane.controlPlane.clients().first?.notes)
            #expect(
                notes.contains { $0.contains("sends plaintext to") && $0.contains("`envoy.tls`") },
                "\(notes)")
            await stream.ask(DeltaRequest(subscribe: ["htpbin"]), type: .clusterLoadAssignment)
            #expect(try await stream.response().removed == ["htpbin"])
        }
    }

    @Test(arguments: [Method.of(.cluster, .delta), .deltaAggregatedResources])
    func `a gateway gets its own cluster's pods on demand, and no other name`(method: Method) async throws {
        try await running { _, channel in
            let stream = await XDSClient(channel, method)
            let names: [ResourceName] = [
                "w1.httpbin.west.ballast", "e1.httpbin.east.ballast", "w9.httpbin.west.ballast", "httpbin",
                "httpbin.mesh",
                "10.0.2.1:80", "west_gateway",
            ]
            await stream.ask(DeltaRequest(subscribe: names), node: gateway, type: .cluster)
            let response = try await stream.response()
            // `httpbin` is what gRPC clients send as SNI.
            #expect(response.resources.map(\.name) == ["httpbin", "httpbin.mesh", "w1.httpbin.west.ballast"])
            #expect(Set(response.removed) == Set(names.map(\.rawValue)).subtracting(response.resources.map(\.name)))
        }
    }

    @Test func `a pod that goes leaves the endpoints at once, and its gateway's cluster later`() async throws {
        try await running { plane, channel in
            let clientStream = await XDSClient(channel, .of(.clusterLoadAssignment, .delta))
            await clientStream.subscribe(["httpbin"], node: client)
            let first = try await clientStream.response()
            await clientStream.acknowledge(first, names: [])
            let stream = await XDSClient(channel, .of(.cluster, .delta))
            await stream.ask(DeltaRequest(subscribe: ["w3.httpbin.west.ballast"]), node: gateway, type: .cluster)
            let cluster = try await stream.response()
            await stream.ask(DeltaRequest(nonce: cluster.nonce), type: .cluster)

            let clock = ContinuousClock()
            let start = clock.now
            try plane.write(
                RunningControlPlane.endpoints([("w1", "10.0.2.1:80"), ("w2", "10.0.2.2:80")]), to: "west.yaml")
            let second = try await clientStream.response()
            #expect(try endpoints(second).count == 4)
            await clientStream.acknowledge(second, names: [])
            let removal = try await stream.response()
            #expect(removal.removed == ["w3.httpbin.west.ballast"])
            #expect(clock.now - start > .seconds(3.5), "connections to a pod outlive its endpoint")
        }
    }

    @Test func `a new pod is announced when the gateway that subscribes to all clusters has acknowledged it`()
        async throws
    {
        try await running { plane, channel in
            let told = await XDSClient(channel, .of(.cluster, .delta))
            await told.ask(DeltaRequest(), node: gateway, type: .cluster)
            let all = try await told.response()
            await told.ask(DeltaRequest(nonce: all.nonce), type: .cluster)
            let clientStream = await XDSClient(channel, .of(.clusterLoadAssignment, .delta))
            await clientStream.subscribe(["httpbin"], node: client)
            let first = try await clientStream.response()
            #expect(try endpoints(first).count == 5)
            await clientStream.acknowledge(first, names: [])
            // Known to have been taken, or the new pod wouldn't wait for it.
            try await eventually("the gateway has taken all") {
                await plane.controlPlane.clients().first { $0.node == "gateway" }?.subscriptions(listing: 0).first?
                    .subscription.acknowledged != nil
            }

            let start = ContinuousClock.now
            try plane.write(
                RunningControlPlane.endpoints((1...4).map { ("w\($0)", "10.0.2.\($0):80") }), to: "west.yaml")
            let news = try await told.response()
            #expect(news.resources.map(\.name).contains("w4.httpbin.west.ballast"))
            let services = await plane.controlPlane.services(of: ClientView(cluster: "east", kind: .lanes))
            let pods = services?.first { $0.service.name == "httpbin" }?.assignment.localities.flatMap(\.endpoints)
            // After two seconds nobody waits for it any more.
            let isWaiting = ContinuousClock.now - start < .seconds(1.9)
            #expect(!isWaiting || pods?.count == 5, "its gateway has not acknowledged it")
            await told.ask(DeltaRequest(nonce: news.nonce), type: .cluster)
            let second = try await clientStream.response()
            #expect(try endpoints(second).count == 6)
        }
    }

    @Test func `a client is served whole: clusters, then listeners, then endpoints`() async throws {
        try await running { _, channel in
            let stream = await XDSClient(channel, .deltaAggregatedResources)
            await stream.ask(DeltaRequest(subscribe: ["httpbin"]), node: client)
            _ = try await stream.response()
            await stream.ask(DeltaRequest(), type: .cluster)
            await stream.ask(DeltaRequest(), type: .listener)
            var types: [String: [String]] = [:]
            while types.count < 3 {
                let response = try await stream.response()
                types[response.type, default: []] += response.resources.map(\.name)
            }
            #expect(
                types[TypeURL.cluster.rawValue] == [
                    "httpbin", "other", "outbound|8000||httpbin", "third", "west_gateway",
                ])
            #expect(types[TypeURL.listener.rawValue] == ["west_gateway"])
            #expect(types[TypeURL.clusterLoadAssignment.rawValue] == ["httpbin"], "again, after its cluster")
        }
    }

    @Test func `a changed reach: endpoints change first, the listener goes then, and the gateway cluster last`()
        async throws
    {
        try await running { plane, channel in
            let stream = await XDSClient(channel, .deltaAggregatedResources)
            await stream.ask(DeltaRequest(), node: client, type: .cluster)
            await stream.ask(DeltaRequest(), type: .listener)
            await stream.ask(DeltaRequest(subscribe: ["httpbin"]))
            for _ in 0..<3 { _ = try await stream.response() }

            try await reload(plane, "gateway")
            var events: [String] = []
            while events.count < 3 {
                let response = try await stream.response()
                events += response.resources.map { "+\($0.name)" } + response.removed.map { "-\($0)" }
                await stream.ask(DeltaRequest(nonce: response.nonce), type: TypeURL(rawValue: response.type))
            }
            // The last two are a listener and an Envoy cluster of the same name.
            #expect(events == ["+httpbin", "-west_gateway", "-west_gateway"])

            try await reload(plane, "lanes")
            var types: [String] = []
            for _ in 0..<3 { types.append(try await stream.response().type) }
            #expect(types == [TypeURL.cluster, .listener, .clusterLoadAssignment].map(\.rawValue))
        }
    }
}
