import Balancing
import ControlPlane
import Discovery
import EnvoyAPI
import Foundation
import GRPCTransport
import Model
import Serving
import Snapshots
import TestBench
import Testing
import TestSupport
import XDS

/// Two Ballasts in one process, west and east, over mutual TLS.
@Suite struct PeerTests {
    private func west(export: String = "{east: {identity: \"spiffe://mesh.example/peer\", services: [httpbin]}}")
        -> String
    {
        """
        cluster: west
        guard: off
        xds:
          listen: "127.0.0.1:0"
          tls: {certificate: certs/ballast.crt, key: certs/ballast.key, clientCA: certs/ca.crt}
        clusters:
          west: {endpoints: {file: west.yaml}, gateways: ["127.0.0.9:15443"], reach: pods}
          east: {endpoints: {file: east.yaml}}
        services: {httpbin: {}, other: {}}
        export: \(export)
        """
    }

    private func east(
        _ port: UInt16, serverName: String = "ballast.example", as name: String = "peer", cluster: String = "east",
        trusting trust: String = "cluster: west, services: [\"*\"], addresses: [loopback]"
    ) -> String {
        """
        cluster: \(cluster)
        xds: {listen: "127.0.0.1:0"}
        clusters:
          \(cluster): {endpoints: {file: own.yaml}}
          far:
            reach: pods
            endpoints:
              ballast: {\(trust), address: "127.0.0.1:\(port)", tls: {
                certificate: certs/\(name).crt, key: certs/\(name).key, ca: certs/ca.crt, serverName: \(serverName)}}
        services: {httpbin: {}, other: {}}
        """
    }

    /// Runs west, with three pods of `httpbin` and one of `other`.
    private func running(
        _ configuration: String? = nil, _ body: (RunningControlPlane, _ directory: String) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            try FileManager.default.createDirectory(atPath: "\(directory)/certs", withIntermediateDirectories: true)
            _ = try Certificates(in: "\(directory)/certs")
            try "services: {httpbin: [{name: own, address: \"10.0.3.1:80\"}]}\n"
                .write(toFile: "\(directory)/own.yaml", atomically: true, encoding: .utf8)
            try await RunningControlPlane.run(in: directory, configuration: configuration ?? west()) { plane in
                try plane.write(
                    """
                    services:
                      httpbin:
                        - {name: w1, address: "10.0.2.1:80", weight: 3, zone: a}
                        - {name: w2, address: "10.0.2.2:80", health: draining}
                        - {name: w3, address: "[2001:db8::3]:80"}
                      other:
                        - {name: o1, address: "10.0.2.9:80"}
                    """, to: "west.yaml")
                try await eventually("read") {
                    await plane.controlPlane.status.sources.contains { $0.cluster == "west" && $0.podCount == 4 }
                }
                try await body(plane, directory)
            }
        }
    }

    private func far(_ plane: RunningControlPlane) async -> SourceStatus? {
        await plane.controlPlane.status.sources.first { $0.cluster == "far" }
    }

    private func names(_ service: ServiceName, _ plane: RunningControlPlane) async -> [String] {
        let services = await plane.controlPlane.services(of: ClientView(cluster: "east", kind: .lanes)) ?? []
        let shares = services.first { $0.service.name == service }?.assignment.shares ?? []
        return shares.first { $0.cluster == "far" }?.pods.map(\.name) ?? []
    }

    @Test func `a service that the importer doesn't name is left out, and said`() async throws {
        let west = west(export: "{east: {identity: \"spiffe://mesh.example/peer\", services: [\"*\"]}}")
        let trust = "cluster: west, services: [httpbin], addresses: [loopback]"
        try await running(west) { west, directory in
            let text = east(west.port, trusting: trust)
            try await RunningControlPlane.run(in: directory, isFed: false, configuration: text) { east in
                try await eventually("imported") { await names("httpbin", east) == ["w1", "w2", "w3"] }
                try await eventually("said") {
                    await far(east)?.problems.first?.contains("it exports other, which") == true
                }
                #expect(await names("other", east) == [])
                #expect(await far(east)?.staleReason == nil)
            }
        }
    }

    @Test(arguments: [
        ("services: [\"*\"], addresses: [loopback]", "w1", "of a cluster named west, and is asked for far"),
        ("cluster: west, services: [\"*\"]", "w1", "with the address 127.0.0.9, which can't be another cluster's"),
        ("cluster: west, services: [\"*\"], addresses: [loopback]", "169.254.169.254", "the address 169.254.169.254"),
    ])
    func `what can't be the other's own is refused, and the last good state stays`(
        _ trust: String, _ pod: String, _ reason: String
    ) async throws {
        try await running { west, directory in
            if pod != "w1" { try west.write(RunningControlPlane.endpoints([("x", "\(pod):80")]), to: "west.yaml") }
            let text = east(west.port, trusting: trust)
            try await RunningControlPlane.run(in: directory, isFed: false, configuration: text) { east in
                try await eventually("refused") { await far(east)?.staleReason?.contains(reason) == true }
                #expect(await names("httpbin", east) == [])
            }
        }
    }

    @Test func `more than an importer allows is refused with the limit's name`() async throws {
        try await running { west, directory in
            let text = east(west.port) + "\nsources: {endpoints: 2}"
            try await RunningControlPlane.run(in: directory, isFed: false, configuration: text) { east in
                try await eventually("refused") {
                    await far(east)?.staleReason?.contains("it exports more than 2 endpoints (sources.endpoints)")
                        == true
                }
            }
        }
    }

    @Test func `what west exports of itself is imported with all that is known of it, and its gateways`() async throws {
        try await running { west, directory in
            try await RunningControlPlane.run(in: directory, isFed: false, configuration: east(west.port)) { east in
                try await eventually("imported") { await names("httpbin", east) == ["w1", "w2", "w3"] }
                #expect(await names("other", east) == [], "it is not exported")
                let status = try #require(await far(east))
                #expect(status.isSynced && status.staleReason == nil && status.podCount == 3)
                #expect(status.gateways == ["127.0.0.9:15443"])
                let services = await east.controlPlane.services(of: ClientView(cluster: "east", kind: .lanes))
                let assignment = try #require(services?.first { $0.service.name == "httpbin" }?.assignment)
                let pods = assignment.localities.flatMap {
                    $0.endpoints.map { ($0.address.description, $0.weight, $0.health) }
                }
                #expect(pods.contains { $0 == ("far_gateway/w1.httpbin.far.ballast", 3, .healthy) })
                #expect(pods.contains { $0.0 == "far_gateway/w2.httpbin.far.ballast" && $0.2 == .draining })
                #expect(assignment.localities.contains { $0.locality.zone == "a" })
                let origin = await east.controlPlane.origins(of: "httpbin")["far"]?["w1"]
                #expect(origin?.object.hasPrefix("httpbin of cluster west at 127.0.0.1:") == true)
                #expect(origin?.version?.isEmpty == false)

                // West's file is scaled: what one file's reader vouches for isn't held a second time.
                try west.write(RunningControlPlane.endpoints([("w9", "10.0.2.9:80")]), to: "west.yaml")
                try await eventually("scaled") { await names("httpbin", east) == ["w9"] }
                #expect(await east.controlPlane.status.holds.isEmpty)
            }
        }
    }

    @Test func `an importer sees that the exporter's own source is stale, and that it is well again`() async throws {
        try await running { west, directory in
            try await RunningControlPlane.run(in: directory, isFed: false, configuration: east(west.port)) { east in
                try await eventually("imported") { await names("httpbin", east) == ["w1", "w2", "w3"] }
                let good = try String(contentsOfFile: "\(directory)/west.yaml", encoding: .utf8)
                try west.write("services: [", to: "west.yaml")
                try await eventually("said") {
                    await far(east)?.staleReason?.contains("it answers, but its own source is stale since 2") == true
                }
                let since = await far(east)?.staleSince
                // It goes on answering, and is stale since then.
                let confirmed = await far(east)?.confirmed
                try await eventually("another answer") { await west.controlPlane.clients().count >= 1 }
                #expect(await far(east)?.staleSince == since)
                #expect(await far(east)?.confirmed == confirmed)
                #expect(await names("httpbin", east) == ["w1", "w2", "w3"])
                #expect(await far(east)?.problems == [])
                try west.write(good, to: "west.yaml")
                try await eventually("well again") { await far(east)?.staleReason == nil }
            }
        }
    }

    @Test func `what is no longer exported is held`() async throws {
        try await running { west, directory in
            try await RunningControlPlane.run(in: directory, isFed: false, configuration: east(west.port)) { east in
                try await eventually("imported") { await names("httpbin", east).count == 3 }
                await west.controlPlane.reload(
                    try west.configuration(
                        self.west(export: "{east: {identity: \"spiffe://mesh.example/peer\", services: [other]}}")))
                try await eventually("the other comes") { await names("other", east) == ["o1"] }
                #expect(await names("httpbin", east).count == 3)
                #expect(await east.controlPlane.status.holds.map(\.service) == ["httpbin"])
                #expect(await east.controlPlane.release("httpbin") == ["far"])
                try await eventually("let go") { await names("httpbin", east) == [] }
            }
        }
    }

    /// Opens a stream to west as somebody, says to be a Ballast or not, and asks.
    private func ask<Result>(
        _ west: RunningControlPlane, _ directory: String, as name: String, isPeer: Bool = true, _ request: DeltaRequest,
        _ type: TypeURL = .exportedService, serverName: String = "ballast.example",
        _ body: (XDSClient) async throws -> Result
    ) async throws -> Result {
        let read = { (file: String) in try String(contentsOfFile: "\(directory)/certs/\(file)", encoding: .utf8) }
        let channel = try Channel(
            address: "127.0.0.1:\(west.port)",
            security: .tls(
                roots: read("ca.crt"), serverName: serverName,
                KeyPair(certificateChain: read("\(name).crt"), privateKey: read("\(name).key"))))
        let client = await XDSClient(channel, .deltaAggregatedResources)
        await client.ask(
            request, node: Node(id: name, userAgent: "test", metadata: isPeer ? ["role": Node.peerRole] : [:]),
            type: type)
        do {
            let result = try await body(client)
            await client.cancel()
            await channel.shutdown()
            return result
        } catch {
            await client.cancel()
            await channel.shutdown()
            throw error
        }
    }

    @Test func `a peer sees what is exported to it, by any name that it asks for, and nothing else`() async throws {
        try await running { west, directory in
            let names: [ResourceName] = ["*", "httpbin", "other"]
            let exported = try await ask(west, directory, as: "peer", DeltaRequest(subscribe: names)) {
                try await $0.response()
            }
            #expect(exported.resources.map(\.name) == ["httpbin"])
            #expect(exported.removed == ["other"])
            let service = try ExportedService(#require(exported.resources.first).content)
            #expect(service.cluster == "west")
            #expect(
                service.pods.map(\.name).sorted() == ["w1", "w2", "w3"],
                "east's pods, which west knows too, are not among them")
            for type in [TypeURL.cluster, .clusterLoadAssignment, .listener] {
                let response = try await ask(west, directory, as: "peer", DeltaRequest(subscribe: ["httpbin"]), type) {
                    try await $0.response()
                }
                #expect(response.resources.isEmpty, "\(type)")
            }
        }
    }

    @Test func `others import nothing, and a peer can't be a client by saying less`() async throws {
        try await running { west, directory in
            for (name, isPeer) in [("client", true), ("peer", false)] {
                let status = try await ask(
                    west, directory, as: name, isPeer: isPeer, DeltaRequest(subscribe: ["httpbin"])
                ) {
                    await $0.end()
                }
                #expect(status.code == .permissionDenied, "\(name): \(status)")
                #expect(status.message.contains("export"))
            }
            let response = try await ask(
                west, directory, as: "client", isPeer: false, DeltaRequest(subscribe: ["httpbin"]),
                .clusterLoadAssignment
            ) { try await $0.response() }
            #expect(response.resources.map(\.name) == ["httpbin"], "clients are served as before")
        }
    }

    @Test func `a stream that is opened again is sent what has changed, and the answer that there is no more`()
        async throws
    {
        try await running { west, directory in
            let first = try await ask(west, directory, as: "peer", DeltaRequest(subscribe: ["*", "ballast:probe"])) {
                try await $0.response()
            }
            let known = Dictionary(first.resources.map { (ResourceName(rawValue: $0.name), $0.version) }) { $1 }
            let again = try await ask(
                west, directory, as: "peer", DeltaRequest(subscribe: ["*", "ballast:probe"], initialVersions: known)
            ) { client in
                let response = try await client.response()
                #expect(response.resources.isEmpty)
                #expect(response.removed == ["ballast:probe"])
                // Asked again, it is answered again.
                await client.ask(
                    DeltaRequest(subscribe: ["ballast:probe"], nonce: response.nonce), type: .exportedService)
                return try await client.response()
            }
            #expect(again.resources.isEmpty && again.removed == ["ballast:probe"])
        }
    }

    @Test(arguments: [
        ("other.example", "peer", "UNAVAILABLE"),
        ("ballast.example", "client", "nothing is exported to spiffe://mesh.example/client"),
    ])
    func `both ends check the other's identity`(_ serverName: String, _ name: String, _ reason: String) async throws {
        try await running { west, directory in
            let text = east(west.port, serverName: serverName, as: name)
            try await RunningControlPlane.run(in: directory, isFed: false, configuration: text) { east in
                try await eventually("refused") { await far(east)?.staleReason != nil }
                let stale = await far(east)?.staleReason ?? ""
                #expect(stale.lowercased().contains(reason.lowercased()), "\(stale)")
                #expect(await !east.controlPlane.status.isReady)
            }
        }
    }

    @Test func `a Ballast that imports from itself reports so`() async throws {
        try await running { west, directory in
            let text = east(west.port, cluster: "west")
            try await RunningControlPlane.run(in: directory, isFed: false, configuration: text) { other in
                try await eventually("refused") {
                    await far(other)?.staleReason?.contains("each needs a name of its own") == true
                }
                #expect(await far(other)?.podCount == 0)
            }
        }
    }

    @Test func `two that import from each other see each other's own pods only`() async throws {
        try await running { west, directory in
            let both = """
                xds:
                  listen: "127.0.0.1:0"
                  tls: {certificate: certs/peer.crt, key: certs/peer.key, clientCA: certs/ca.crt}
                export: {west: {identity: "spiffe://mesh.example/ballast", services: ["*"]}}
                """
            let text = try east(west.port).replacingOnce("xds: {listen: \"127.0.0.1:0\"}", with: both)
            try await RunningControlPlane.run(in: directory, isFed: false, configuration: text) { east in
                try await eventually("imported") { await names("httpbin", east).count == 3 }
                let exported = try await ask(
                    east, directory, as: "ballast", DeltaRequest(subscribe: ["*"]), serverName: "peer.example"
                ) { try await $0.response() }
                let pods = try exported.resources.map { try ExportedService($0.content) }.flatMap(\.pods).map(\.name)
                #expect(pods == ["own"], "not what it imported")
            }
        }
    }

    /// One of two that import from each other: its configuration, where the other is at that port.
    private func mutual(_ own: String, _ other: String, certificate: String, at port: Int) -> String {
        """
        cluster: \(own)
        guard: off
        xds:
          listen: "127.0.0.1:0"
          tls: {certificate: certs/\(certificate).crt, key: certs/\(certificate).key, clientCA: certs/ca.crt}
        clusters:
          \(own): {endpoints: {file: \(own).yaml}}
          \(other):
            endpoints:
              ballast:
                address: "127.0.0.1:\(port)"
                services: [httpbin]
                addresses: [loopback]
                tls: {certificate: certs/\(certificate).crt, key: certs/\(certificate).key, ca: certs/ca.crt, serverName: \(certificate == "peer" ? "ballast" : "peer").example}
        services: {httpbin: {}}
        export: {\(other): {identity: "spiffe://mesh.example/\(certificate == "peer" ? "ballast" : "peer")", services: [httpbin]}}
        """
    }

    @Test func `two new ones that import from each other get ready, whoever is first`() async throws {
        try await withTemporaryDirectory { directory in
            try FileManager.default.createDirectory(atPath: "\(directory)/certs", withIntermediateDirectories: true)
            _ = try Certificates(in: "\(directory)/certs")
            // East knows where west will be before west is there.
            let relay = try await Relay()
            let first = mutual("east", "west", certificate: "ballast", at: relay.port)
            try RunningControlPlane.endpoints([("e1", "10.0.1.1:80")])
                .write(toFile: "\(directory)/east.yaml", atomically: true, encoding: .utf8)
            try RunningControlPlane.endpoints([("w1", "10.0.2.1:80")])
                .write(toFile: "\(directory)/west.yaml", atomically: true, encoding: .utf8)
            try await RunningControlPlane.run(in: directory, isFed: false, configuration: first) { east in
                let second = mutual("west", "east", certificate: "peer", at: Int(east.port))
                #expect(await !east.controlPlane.status.isReady)
                try await RunningControlPlane.run(in: directory, isFed: false, configuration: second) { west in
                    relay.connect(to: Int(west.port))
                    try await eventually("both are ready") {
                        let (isEastReady, isWestReady) = (
                            await east.controlPlane.status.isReady, await west.controlPlane.status.isReady
                        )
                        return isEastReady && isWestReady
                    }
                    for plane in [east, west] {
                        #expect(await plane.controlPlane.status.sources.map(\.podCount) == [1, 1])
                    }
                }
            }
            await relay.stop()
        }
    }

    @Test func `before all sources have synced only importers are answered`() async throws {
        try await running { west, directory in
            // A third cluster whose source says nothing: west's own is known, and it starts anew.
            let text = try self.west().replacingOnce(
                "east: {endpoints: {file: east.yaml}}",
                with: "east: {endpoints: {file: none.yaml}}")
            try await RunningControlPlane.run(in: directory, isFed: false, configuration: text) { plane in
                let exported = try await ask(plane, directory, as: "peer", DeltaRequest(subscribe: ["*"])) {
                    try await $0.response()
                }
                #expect(exported.resources.map(\.name) == ["httpbin"])
                #expect(await !plane.controlPlane.status.isReady)
                #expect(await plane.controlPlane.services(of: ClientView(cluster: "west", kind: .plain)) == nil)
            }
        }
    }

    @Test func `an importer whose own cluster gets another name says so`() async throws {
        try await running { west, directory in
            let text = east(west.port)
            try await RunningControlPlane.run(in: directory, isFed: false, configuration: text) { east in
                try await eventually("imported") { await names("httpbin", east).count == 3 }
                #expect(await west.controlPlane.clients().contains { $0.node == "ballast-east" })
                await east.controlPlane.reload(try east.configuration(self.east(west.port, cluster: "north")))
                try await eventually("it has said it") {
                    let nodes = await west.controlPlane.clients().map(\.node)
                    return nodes.contains("ballast-north") && !nodes.contains("ballast-east")
                }
            }
        }
    }

    @Test func `an export that arrives slowly is accepted`() async throws {
        try await running { west, directory in
            let pods = (0..<1_500).map { ("w\($0)", "10.2.\($0 / 250).\($0 % 250 + 1):80") }
            try west.write(RunningControlPlane.endpoints(pods), to: "west.yaml")
            try await eventually("read") {
                await west.controlPlane.status.sources.contains { $0.cluster == "west" && $0.podCount == 1_500 }
            }
            // Some 45 kB in 9 seconds; silence is told after 6.
            let relay = try await Relay(to: Int(west.port), bytesPerSecond: 6_000)
            let text = east(UInt16(relay.port))
            try await RunningControlPlane.run(in: directory, isFed: false, configuration: text) { east in
                try await eventually("imported") { await names("httpbin", east).count == 1_500 }
                try await eventually("and well") { await far(east)?.staleReason == nil }
            }
            #expect(relay.connections == 1, "it was not begun anew")
            await relay.stop()
        }
    }
}
