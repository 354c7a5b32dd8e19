import Balancing
import Discovery
import Foundation
import Intent
import MeshConfiguration
import Model
import Overrides
@testable import Snapshots
import Testing
import TestSupport
import XDS

/// A builder, what its gateways have taken, and a clock that the test sets.
private struct Builder {
    var builder = SnapshotBuilder()
    var gateways: [ClusterName: UInt64] = [:]
    var now = ContinuousClock.now
    var views: Set<ClientView> = []
    private var lastIntent: MeshIntent?
    private var lastGateways: [ClusterName: [SocketAddress]] = [:]

    static func configuration(reach: String = "pods", services: String = "{\"*\": {}, s: {}}") throws -> Configuration {
        try Configuration(
            text: """
                cluster: east
                clusters:
                  east: {endpoints: {file: east.yaml}}
                  west: {endpoints: {file: west.yaml}, gateways: ["192.0.2.1:443"], reach: \(reach)}
                services: \(services)
                """, file: "/c/b.yaml")
    }

    mutating func build(
        _ pods: [ServiceName: [ClusterName: [Pod]]] = [:], configuration: Configuration? = nil,
        after wait: Duration = .zero,
        taken: UInt64 = 0, tunings: Tunings = .none
    ) -> Snapshot {
        now += wait
        var changes = RegistryChanges()
        changes.pods = pods
        if let intent = configuration?.mesh {
            changes.intent = intent.changes(since: lastIntent)
            lastIntent = intent
            let gateways = Dictionary(uniqueKeysWithValues: intent.clusters.map { ($0.name, $0.gateways.addresses) })
            changes.gateways = gateways.filter { lastGateways[$0.key] != $0.value }
            lastGateways = gateways
        }
        let progress = ClientProgress(clients: taken, gateways: gateways)
        guard
            let outcome = builder.build(
                changes, for: Set(views.map { .client($0) }), tunings: tunings, progress: progress, at: now)
        else { preconditionFailure("nobody cancels the task") }
        return outcome.publication.snapshot
    }
}

extension Snapshot {
    fileprivate func names(_ type: TypeURL, _ view: ClientView) -> [String] {
        (self[.client(view)]?.index(type).names ?? []).map(\.rawValue).sorted()
    }

    fileprivate func endpoints(_ service: ServiceName, _ view: ClientView) -> [String] {
        (self[.client(view)]?.service(service)?.assignment.localities ?? []).flatMap(\.endpoints)
            .map(\.address.description).sorted()
    }
}

private let client = ClientView(cluster: "east", kind: .lanes)
private let gateway = ClientView(cluster: "west", kind: .gateway)

private func west(_ count: Int) -> [ClusterName: [Pod]] { ["west": pods("w", count, network: 2)] }

private func ways(_ numbers: ClosedRange<Int>) -> [String] { numbers.map { "west_gateway/w\($0).s.west.ballast" } }

@Suite struct SnapshotBuilderTests {
    /// A reload carries what differs; before that, it assigned every service anew.
    @Test func `a changed weight of one service among 5,000 assigns that one anew`() throws {
        let names = (0..<5_000).map { "s\($0)" }
        let text = { (weight: String) in
            "{" + names.map { $0 == "s7" ? "s7: {weights: {west: \(weight)}}" : "\($0): {}" }.joined(separator: ", ")
                + "}"
        }
        let first = try Builder.configuration(services: text("1"))
        let second = try Builder.configuration(services: text("2"))
        var builder = Builder()
        builder.views = [client]
        let all = Dictionary(uniqueKeysWithValues: names.map { (ServiceName(rawValue: $0), west(2)) })
        let before = builder.build(all, configuration: first)
        #expect(builder.builder.assignedCount == 5_000)
        let after = builder.build(configuration: second)
        #expect(builder.builder.assignedCount == 1)
        #expect(
            before[.client(client)]?.service("s7")?.service.weights
                != after[.client(client)]?.service("s7")?.service.weights)
    }

    /// What a plan computes is what clients are served once the override is in force, byte for byte.
    @Test func `a plan is what is served afterwards, in every view`() throws {
        var random = SeededGenerator(seed: .random(in: 0...UInt64.max))
        for _ in 0..<150 {
            let reach = ["gateway", "lanes", "pods"].randomElement(using: &random) ?? "pods"
            let balance = ["global", "local-first"].randomElement(using: &random) ?? "global"
            var builder = Builder()
            builder.views = Set(
                ClientKind.allCases.map { ClientView(cluster: $0 == .gateway ? "west" : "east", kind: $0) })
            let mesh: [ClusterName: [Pod]] = [
                "east": pods("e", Int.random(in: 0...3, using: &random), network: 1),
                "west": pods("w", Int.random(in: 1...4, using: &random), network: 2),
            ]
            _ = builder.build(
                ["s": mesh, "other": mesh],
                configuration: try Builder.configuration(
                    reach: reach, services: "{s: {balance: \(balance)}, other: {}}"))
            var book = OverrideBook()
            let start = Date(timeIntervalSince1970: 1_000)
            for number in 0..<Int.random(in: 0...3, using: &random) {
                let one = Self.spec(&random)
                book.merge(Override(id: "o\(number)", spec: one, createdAt: start, createdBy: "anna"))
            }
            let spec = Self.spec(&random)
            let now = start + 1
            let planned = Tunings(book, at: now, adding: (spec, .whole))
            _ = builder.build(tunings: Tunings(book, at: now))
            let plans = builder.views.map { ($0, builder.builder.assignment(of: "s", for: $0, with: planned)) }
            book.merge(Override(id: "z", spec: spec, createdAt: start + 0.5, createdBy: "anna"))
            let served = builder.build(tunings: Tunings(book, at: now))
            for (view, plan) in plans {
                let status = served[.client(view)]?.service("s")
                #expect(plan?.localities == status?.assignment.localities, "\(view) \(spec)")
                #expect(plan?.shares.map(\.share) == status?.assignment.shares.map(\.share))
            }
            #expect(builder.builder.assignedCount <= 1, "the other service is left alone")
        }
    }

    private static func spec(_ random: inout SeededGenerator) -> OverrideSpec {
        var spec = OverrideSpec(service: "s", reason: "a test")
        spec.permanent = true
        let cluster = ["east", "west"].randomElement(using: &random) ?? "east"
        let pod = Bool.random(using: &random) ? "\(cluster.prefix(1))0" : nil
        switch Int.random(in: 0...3, using: &random) {
        case 0: spec.shares = [cluster: Double(Int.random(in: 0...100, using: &random))]
        case 1: spec.drain = OverrideSpec.Target(cluster: cluster, pod: pod)
        case 2: spec.balance = ["global", "local-first"].randomElement(using: &random)
        default:
            spec.multiplier = OverrideSpec.Multiplier(
                target: OverrideSpec.Target(cluster: cluster, pod: pod),
                by: ["0.01", "0.5", "3", "100"].randomElement(using: &random) ?? "1")
        }
        if Int.random(in: 0...3, using: &random) == 0 { spec.views = ["west"] }
        return spec
    }

    @Test func `a task that is cancelled builds no further services`() async throws {
        let configuration = try Builder.configuration()
        let wasBuilt = await Task {
            withUnsafeCurrentTask { $0?.cancel() }
            var changes = RegistryChanges()
            changes.intent = configuration.mesh.changes(since: nil)
            changes.pods = ["s": west(1)]
            var builder = SnapshotBuilder()
            return builder.build(changes, for: [.client(client)], at: .now) != nil
        }.value
        #expect(!wasBuilt)
    }

    @Test func `services that the configuration doesn't list come and go with their pods, and replicas agree`() throws {
        var long = Builder()
        long.views = [client]
        _ = long.build(["s": west(1)], configuration: try Builder.configuration())
        for number in 0..<30 {
            let name = ServiceName(rawValue: "new\(number)")
            let there = long.build([name: west(2)])
            #expect(there.endpoints(name, client).count == 2)
            let empty = long.build([name: [:]])
            #expect(empty.names(.cluster, client).contains(name.rawValue))
            #expect(empty.endpoints(name, client).isEmpty)
        }
        _ = long.build(after: ServiceCatalog.removalDelay)
        let later = long.build(after: .seconds(5))
        #expect(later.names(.cluster, client) == ["s", "west_gateway"])
        #expect(later.names(.clusterLoadAssignment, client) == ["s"])

        var fresh = Builder()
        fresh.views = [client]
        let started = fresh.build(["s": west(1)], configuration: try Builder.configuration())
        for type in [TypeURL.cluster, .clusterLoadAssignment, .listener, .routeConfiguration] {
            #expect(started.names(type, client) == later.names(type, client))
        }
    }

    @Test func `a view is built for the clients and gateways that use it, and removed with them`() throws {
        var builder = Builder()
        builder.views = [client, ClientView(cluster: "west", kind: .plain)]
        #expect(builder.build(configuration: try Builder.configuration()).builtViews.count == 3)
        builder.views = [client]
        #expect(builder.build().builtViews == [.client(client), .client(gateway)])
    }

    // MARK: Announcements

    /// A gateway that takes all of CDS has taken what there is, and clients are served three pods.
    private func announcing() throws -> Builder {
        var builder = Builder()
        builder.views = [client]
        let snapshot = builder.build(["s": west(3)], configuration: try Builder.configuration())
        builder.gateways["west"] = snapshot.number
        return builder
    }

    @Test func `a new pod is announced when its gateways have acknowledged it`() throws {
        var builder = try announcing()
        let next = builder.build(["s": west(5)])
        #expect(next.names(.cluster, gateway).count == 7)
        #expect(next.endpoints("s", client) == ways(1...3))
        builder.gateways["west"] = next.number - 1
        #expect(builder.build().endpoints("s", client) == ways(1...3))
        builder.gateways["west"] = next.number
        #expect(builder.build().endpoints("s", client) == ways(1...5))
    }

    @Test func `pods that all are replaced stay announced until the new ones are`() throws {
        var builder = try announcing()
        let others: [ClusterName: [Pod]] = ["west": Array(pods("w", 6, network: 2).suffix(3))]
        let next = builder.build(["s": others])
        #expect(next.endpoints("s", client) == ways(1...3), "or clients would have none")
        #expect(next.names(.cluster, gateway).count == 8)
        // Once more, before the gateways have said anything.
        let last: [ClusterName: [Pod]] = ["west": Array(pods("w", 9, network: 2).suffix(3))]
        let newest = builder.build(["s": last])
        #expect(newest.endpoints("s", client) == ways(1...3))
        builder.gateways["west"] = newest.number
        #expect(builder.build().endpoints("s", client) == ways(7...9))
    }

    @Test func `a pod that comes back elsewhere under its name is the same one to clients`() throws {
        var builder = try announcing()
        var moved = west(3)
        moved["west"]?[0].address = address("10.9.9.9:8000")
        #expect(builder.build(["s": moved]).endpoints("s", client) == ways(1...3))
    }

    @Test func `or when their time is up, or they are gone`() throws {
        var builder = try announcing()
        _ = builder.build(["s": west(4)])
        #expect(builder.build(after: .seconds(1)).endpoints("s", client) == ways(1...3))
        #expect(builder.build(after: .seconds(1)).endpoints("s", client) == ways(1...4))
        builder = try announcing()
        _ = builder.build(["s": west(4)])
        builder.gateways["west"] = nil
        #expect(builder.build().endpoints("s", client) == ways(1...4))
    }

    @Test func `what else changes meanwhile is not held back`() throws {
        var builder = try announcing()
        _ = builder.build(["s": west(5)])
        var pods = west(5)
        pods["west"]?.removeFirst()
        pods["east"] = TestSupport.pods("e", 1, network: 1)
        let next = builder.build(["s": pods])
        #expect(next.endpoints("s", client) == ["10.1.0.1:8000"] + ways(2...3))
        #expect(next.endpoints("s", gateway).count == 4)
    }

    @Test func `without a gateway that subscribes to all of CDS no publication waits`() throws {
        var builder = Builder()
        builder.views = [client]
        _ = builder.build(["s": west(3)], configuration: try Builder.configuration())
        #expect(builder.build(["s": west(4)]).endpoints("s", client) == ways(1...4))
    }

    @Test func `another way to reach a cluster is taken when its gateways know it`() throws {
        var builder = Builder()
        builder.views = [client]
        let first = builder.build(["s": west(3)], configuration: try Builder.configuration(reach: "gateway"))
        builder.gateways["west"] = first.number
        #expect(first.endpoints("s", client) == ["192.0.2.1:443"])
        let next = builder.build(configuration: try Builder.configuration(reach: "pods"))
        #expect(next.names(.cluster, gateway).count == 5)
        #expect(next.endpoints("s", client) == ["192.0.2.1:443"])
        #expect(next.names(.listener, client).isEmpty)
        builder.gateways["west"] = next.number
        let last = builder.build()
        #expect(last.endpoints("s", client) == ways(1...3))
        #expect(last.names(.listener, client) == ["west_gateway"])
    }

    @Test func `a pod is taken from its gateways when clients no longer use it`() throws {
        var builder = try announcing()
        let without = builder.build(["s": west(2)])
        #expect(without.endpoints("s", client) == ways(1...2))
        #expect(without.names(.cluster, gateway).count == 5)
        #expect(builder.build(after: .seconds(5), taken: without.number - 1).names(.cluster, gateway).count == 5)
        #expect(builder.builder.waitsForClients(at: builder.now))
        #expect(builder.build(taken: without.number).names(.cluster, gateway).count == 4)

        builder = try announcing()
        _ = builder.build(["s": west(2)])
        #expect(builder.build(after: .seconds(20)).names(.cluster, gateway).count == 4, "a client that hangs delays it")
    }
}
