import ControlPlane
import EnvoyAPI
import GRPCTransport
import Serving
import TestBench
import Testing
import TestSupport
import XDS

private let node = Node(id: "good", userAgent: "envoy")

/// Runs a control plane with one good client on it; afterwards the good client must still be served.
private func besideAGoodClient(
    _ method: Method, _ body: (RunningControlPlane, Channel) async throws -> Void
) async throws {
    try await withTemporaryDirectory { directory in
        try await RunningControlPlane.run(in: directory) { plane in
            try await plane.withChannel { good in
                let client = await XDSClient(good, .of(.clusterLoadAssignment, .sotw))
                await client.subscribe(["httpbin"], node: node)
                let first = try await client.response()
                await client.acknowledge(first, names: ["httpbin"])
                try await plane.withChannel { try await body(plane, $0) }
                try plane.write(RunningControlPlane.endpoints([("e1", "10.0.1.1:80")]), to: "east.yaml")
                let second = try await client.response()
                #expect(second.resources.count == 1)
            }
        }
    }
}

@Suite struct BadClientTests {
    @Test(arguments: Method.endpointMethods) func `garbage ends its own stream with INVALID_ARGUMENT`(method: Method)
        async throws
    {
        try await besideAGoodClient(method) { _, channel in
            let bad = await XDSClient(channel, method)
            await bad.send([0xff, 0xff, 0xff, 0x07, 0x00])
            let end = await bad.end()
            #expect(end.code == .invalidArgument)
            #expect(end.message.contains("DiscoveryRequest"), "\(end)")
        }
    }

    @Test(arguments: Method.endpointMethods) func `a request of 20 MB ends its own stream with RESOURCE_EXHAUSTED`(
        method: Method
    )
        async throws
    {
        try await besideAGoodClient(method) { _, channel in
            let bad = await XDSClient(channel, method)
            await bad.send([UInt8](repeating: 0x22, count: 20 * 1024 * 1024))
            #expect(await bad.end().code == .resourceExhausted)
        }
    }

    @Test(arguments: Method.endpointMethods) func `too many names end their own stream with the limit's name`(
        method: Method
    )
        async throws
    {
        try await besideAGoodClient(method) { _, channel in
            let bad = await XDSClient(channel, method)
            await bad.subscribe((0...1_000).map { ResourceName(rawValue: "n\($0)") }, node: Node(id: "bad"))
            let end = await bad.end()
            #expect(end.code == .resourceExhausted)
            #expect(end.message.contains("xds.limits.namesPerStream"))
        }
    }

    @Test(arguments: Method.endpointMethods) func `a name of 64 KB ends its own stream with the limit's name`(
        method: Method
    ) async throws {
        try await besideAGoodClient(method) { _, channel in
            let bad = await XDSClient(channel, method)
            await bad.subscribe([ResourceName(rawValue: String(repeating: "n", count: 65_536))], node: Node(id: "bad"))
            let end = await bad.end()
            #expect(end.code == .invalidArgument)
            #expect(end.message.contains("xds.limits.nameBytes"))
        }
    }

    @Test func `streams that are reset by the thousand, at any moment, leave nothing behind`() async throws {
        try await besideAGoodClient(.of(.clusterLoadAssignment, .sotw)) { plane, channel in
            let request = DiscoveryRequest.sotw(SotWRequest(names: ["httpbin"]))
                .encoded(type: TypeURL.clusterLoadAssignment.rawValue, node: Node(id: "resetter", userAgent: "envoy"))
            await withTaskGroup { group in
                for number in 0..<4_000 {
                    group.addTask {
                        let stream = await channel.open(Method.of(.clusterLoadAssignment, .sotw).path)
                        if number % 3 > 0 { await stream.send(request) }
                        if number % 3 > 1 { _ = try? await stream.messages.first { _ in true } }
                        await stream.cancel()
                    }
                }
            }
            try await eventually("only the good client is left") { await plane.controlPlane.clients().count == 1 }
        }
    }

    @Test func `a type that isn't the stream's ends it`() async throws {
        try await besideAGoodClient(.of(.clusterLoadAssignment, .sotw)) { _, channel in
            let bad = await XDSClient(channel, .of(.clusterLoadAssignment, .sotw))
            await bad.ask([], node: Node(id: "bad"), type: "type.googleapis.com/envoy.config.cluster.v3.Cluster")
            #expect(await bad.end().code == .invalidArgument)
            let typeless = await XDSClient(channel, .streamAggregatedResources)
            await typeless.ask([], node: Node(id: "bad"), type: "")
            #expect(await typeless.end() == GRPCStatus(.invalidArgument, "the request has no type_url"))
        }
    }

    @Test func `a type that there is nothing of is answered harmlessly, and the stream goes on`() async throws {
        try await besideAGoodClient(.streamAggregatedResources) { _, channel in
            let client = await XDSClient(channel, .streamAggregatedResources)
            await client.ask(
                [], node: Node(id: "odd"), type: "type.googleapis.com/envoy.config.route.v3.RouteConfiguration")
            await client.ask(["httpbin"])
            let response = try await client.response()
            #expect(response.type == TypeURL.clusterLoadAssignment.rawValue)
        }
    }

    @Test func `a client that never reads doesn't affect other clients`() async throws {
        try await besideAGoodClient(.of(.clusterLoadAssignment, .sotw)) { plane, channel in
            let names = (0..<900).map { ResourceName(rawValue: "n\($0)") } + ["httpbin"]
            let request = DiscoveryRequest.sotw(SotWRequest(names: names))
            for number in 0..<50 {
                let deaf = await channel.open(Method.of(.clusterLoadAssignment, .sotw).path, isReading: false)
                let bytes = request.encoded(
                    type: TypeURL.clusterLoadAssignment.rawValue, node: Node(id: "deaf-\(number)"))
                await deaf.send(bytes)
            }
            try await eventually("all are there") {
                await plane.controlPlane.clients().filter { $0.node.hasPrefix("deaf") }.count == 50
            }
            try await plane.withChannel { quick in
                let client = await XDSClient(quick, .of(.clusterLoadAssignment, .sotw))
                await client.subscribe(["httpbin"], node: node)
                await client.acknowledge(try await client.response(), names: ["httpbin"])
                for round in 1...40 {
                    let pods = [("e1", "10.0.1.\(round + 100):80")]
                    try plane.write(RunningControlPlane.endpoints(pods), to: "east.yaml")
                    await client.acknowledge(try await client.response(), names: ["httpbin"])
                }
            }
        }
    }

    @Test func `a shutdown ends every stream with UNAVAILABLE`() async throws {
        try await withTemporaryDirectory { directory in
            var ended: [Task<GRPCStatus, any Error>] = []
            var channel: Channel?
            try await RunningControlPlane.run(in: directory) { plane in
                let opened = try Channel(address: "127.0.0.1:\(plane.port)")
                channel = opened
                for method in Method.endpointMethods {
                    let stream = await opened.open(method.path)
                    ended.append(
                        Task {
                            do {
                                for try await _ in stream.messages {}
                                return GRPCStatus(.ok)
                            } catch let status as GRPCStatus {
                                return status
                            }
                        }
                    )
                }
                try await eventually("all are there") { await plane.controlPlane.clients().count == 4 }
            }
            for end in ended { #expect(try await end.value.code == .unavailable) }
            await channel?.shutdown()
        }
    }
}
