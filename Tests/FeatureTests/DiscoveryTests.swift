import Balancing
import ControlPlane
import Discovery
import EnvoyAPI
import GRPCTransport
import Model
import Serving
import Snapshots
import TestBench
import Testing
import TestSupport
import XDS

private let east = Node(id: "envoy-1", cluster: "app", userAgent: "envoy", metadata: ["cluster": "east"])
private let west = Node(id: "envoy-2", cluster: "app", locality: Locality(region: "west"), userAgent: "envoy")

/// `address weight` of every endpoint.
func endpoints(_ response: DecodedResponse) throws -> [String] {
    try response.resources.flatMap { resource in
        try DecodedAssignment(resource.content).localities.flatMap(\.endpoints).map { "\($0.address) \($0.weight)" }
    }
}

private func running(isFed: Bool = true, _ body: (RunningControlPlane, Channel) async throws -> Void) async throws {
    try await withTemporaryDirectory { directory in
        try await RunningControlPlane.run(in: directory, isFed: isFed) { plane in
            try await plane.withChannel { try await body(plane, $0) }
        }
    }
}

private let fromEast = ["10.0.1.1:80 1", "10.0.1.2:80 1", "127.0.0.9:15443 3"]

@Suite struct DiscoveryTests {
    @Test(arguments: Method.endpointMethods) func `every method serves the same endpoints`(method: Method) async throws
    {
        try await running { plane, channel in
            let client = await XDSClient(channel, method)
            await client.subscribe(["httpbin"], node: east)
            let response = try await client.response()
            #expect(try endpoints(response) == fromEast)
            #expect(response.type == TypeURL.clusterLoadAssignment.rawValue)
            #expect(response.controlPlane == "ballast/test")
        }
    }

    @Test(arguments: Method.endpointMethods) func `a change is pushed, alone and once`(method: Method) async throws {
        try await running { plane, channel in
            let names: [ResourceName] = ["httpbin", "other"]
            let client = await XDSClient(channel, method)
            await client.subscribe(names, node: east)
            let first = try await client.response()
            #expect(first.resources.count == 2)
            await client.acknowledge(first, names: names)

            try plane.write(RunningControlPlane.endpoints([("e1", "10.0.1.1:80")]), to: "east.yaml")
            let second = try await client.response()
            #expect(try endpoints(second) == ["10.0.1.1:80 1", "127.0.0.9:15443 3"], "only httpbin has changed")
            await client.acknowledge(second, names: names)

            // The same content under another write is no change; what comes next is the next change.
            try plane.write("# a comment\n" + RunningControlPlane.endpoints([("e1", "10.0.1.1:80")]), to: "east.yaml")
            try plane.write(RunningControlPlane.endpoints([]), to: "west.yaml")
            let next1 = try await client.response()
            #expect(try endpoints(next1) == ["10.0.1.1:80 1"])
        }
    }

    @Test(arguments: Method.endpointMethods) func `a bad file changes nothing, and a good one mends it`(method: Method)
        async throws
    {
        try await running { plane, channel in
            let client = await XDSClient(channel, method)
            await client.subscribe(["httpbin"], node: east)
            let first = try await client.response()
            await client.acknowledge(first, names: ["httpbin"])
            try plane.write("services: {httpbin: [{name: e1}]}", to: "east.yaml")
            try await eventually("the source is stale") {
                await plane.controlPlane.status.sources[0].staleReason?.contains("east.yaml:1: services.httpbin[0]")
                    == true
            }
            let other = await XDSClient(channel, method)
            await other.subscribe(["httpbin"], node: east)
            let next2 = try await other.response()
            #expect(try endpoints(next2) == fromEast, "the last good state is served")

            try plane.write(RunningControlPlane.endpoints([("e9", "10.0.1.9:80")]), to: "east.yaml")
            let next3 = try await client.response()
            #expect(try endpoints(next3) == ["10.0.1.9:80 1", "127.0.0.9:15443 3"])
            #expect(await plane.controlPlane.status.sources[0].staleReason == nil)
        }
    }

    @Test(arguments: Method.endpointMethods) func `no client is answered before every source has synced`(method: Method)
        async throws
    {
        try await running(isFed: false) { plane, channel in
            let client = await XDSClient(channel, method)
            await client.subscribe(["httpbin", "none"], node: east)
            try plane.write(RunningControlPlane.endpoints([("e1", "10.0.1.1:80")]), to: "east.yaml")
            try await eventually("east has synced") { await plane.controlPlane.status.sources[0].isSynced }
            #expect(await !plane.controlPlane.status.isReady)
            try plane.write(RunningControlPlane.endpoints([("w1", "10.0.2.1:80")]), to: "west.yaml")
            // Had there been an answer before, it would be the first one here.
            let first = try await client.response()
            #expect(try endpoints(first) == ["10.0.1.1:80 1", "127.0.0.9:15443 1"])
            #expect(first.removed == (method.variant == .delta ? ["none"] : []))
            #expect(await plane.controlPlane.status.isReady)
        }
    }

    @Test(arguments: Method.endpointMethods) func `a NACK is kept with the client's words, and parked`(method: Method)
        async throws
    {
        try await running { plane, channel in
            let client = await XDSClient(channel, method)
            await client.subscribe(["httpbin"], node: east)
            let bad = try await client.response()
            await client.reject(bad, names: ["httpbin"], "the weight is not to my taste")
            try await eventually("the rejection is shown") {
                let subscription = await plane.controlPlane.clients().first?.subscriptions(listing: .max).first?
                    .subscription
                return subscription?.rejection?.message == "the weight is not to my taste"
                    && subscription?.acknowledged == nil && "\(subscription?.sent?.description ?? "")" == bad.version
            }
            try plane.write(RunningControlPlane.endpoints([("e1", "10.0.1.1:80")]), to: "east.yaml")
            let good = try await client.response()
            #expect(try endpoints(good) == ["10.0.1.1:80 1", "127.0.0.9:15443 3"], "not the rejected content again")
            await client.acknowledge(good, names: ["httpbin"])
            try await eventually("the rejection is forgotten") {
                let subscription = await plane.controlPlane.clients().first?.subscriptions(listing: .max).first?
                    .subscription
                return subscription?.rejection == nil && subscription?.acknowledged?.description == good.version
            }
        }
    }

    @Test(arguments: Method.endpointMethods) func `a client that comes back with what it has is sent only what is new`(
        method: Method
    ) async throws {
        try await running { plane, channel in
            let before = await XDSClient(channel, method)
            await before.subscribe(["httpbin"], node: east)
            let known = try await before.response()
            await before.cancel()

            let after = await XDSClient(channel, method)
            switch method.variant {
            case .sotw: await after.ask(["httpbin"], node: east, version: known.version)
            case .delta:
                let versions = Dictionary(
                    uniqueKeysWithValues: known.resources.map { (ResourceName(rawValue: $0.name), $0.version) })
                await after.ask(DeltaRequest(subscribe: ["httpbin"], initialVersions: versions), node: east)
            }
            try await eventually("it has subscribed") {
                await plane.controlPlane.clients().contains {
                    !$0.subscriptions(listing: 0).isEmpty && $0.node == "envoy-1"
                }
            }
            try plane.write(RunningControlPlane.endpoints([("e1", "10.0.1.1:80")]), to: "east.yaml")
            let next4 = try await after.response()
            #expect(try endpoints(next4) == ["10.0.1.1:80 1", "127.0.0.9:15443 3"], "nothing came before this")
        }
    }

    @Test func `versions are those of the content: the same after a restart, and of another Ballast`() async throws {
        var versions: Set<String> = []
        for _ in 0..<2 {
            try await running { _, channel in
                let client = await XDSClient(channel, .of(.clusterLoadAssignment, .delta))
                await client.subscribe(["httpbin", "outbound|8000||httpbin"], node: east)
                versions.formUnion(try await client.response().resources.map(\.version))
            }
        }
        #expect(versions.count == 2, "one for each name")
    }

    @Test func `a client sees the mesh from its own cluster`() async throws {
        try await running { plane, channel in
            let client = await XDSClient(channel, .of(.clusterLoadAssignment, .sotw))
            await client.subscribe(["httpbin"], node: west)
            let response = try await client.response()
            #expect(
                try endpoints(response)
                    == ["10.0.1.1:80 1", "10.0.1.2:80 1", "10.0.2.1:80 1", "10.0.2.2:80 1", "10.0.2.3:80 1"]
            )
            #expect(await plane.controlPlane.clients().map(\.view?.client?.cluster) == ["west"])
        }
    }

    @Test func `a reload adds and changes services, and a stream goes on`() async throws {
        try await running { plane, channel in
            let client = await XDSClient(channel, .deltaAggregatedResources)
            await client.subscribe(["httpbin", "fourth"], node: east)
            let first = try await client.response()
            #expect(first.removed == ["fourth"])
            await client.acknowledge(first, names: [])

            await plane.controlPlane.reload(try plane.configuration(replacing: "third:", with: "fourth:"))
            let second = try await client.response()
            #expect(second.resources.map(\.name) == ["fourth"])

            let weighted = try plane.configuration(replacing: "httpbin\"]", with: "httpbin\"], weights: {west: 2}")
            await plane.controlPlane.reload(weighted)
            // `third` is back, `fourth` is gone, and west's pods count twice.
            let third = try await client.response()
            #expect(third.removed == ["fourth"])
            #expect(try endpoints(third) == ["10.0.1.1:80 1", "10.0.1.2:80 1", "127.0.0.9:15443 6"])
        }
    }
}
