@testable import Discovery
import Foundation
import Intent
import Logging
import MeshConfiguration
import Model
import TestBench
import Testing
import TestSupport

/// Gateways given as names.
@Suite struct DNSTests {
    /// A registry with one gateway of that name, and its resolver at work.
    private func resolving(
        _ prepare: (NameServer) -> Void, _ body: (NameServer, Registry) async throws -> Void
    ) async throws {
        let server = try await NameServer()
        prepare(server)
        let configuration = try Configuration(
            text: """
                cluster: a
                dns: {servers: ["\(server.address)"], shortest: 20ms, longest: 60ms}
                clusters: {a: {endpoints: {file: a}, gateways: ["gw.example:443"]}}
                services: {s: {}}
                """, file: "/c/b.yaml")
        let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let resolver = Resolver(configuration.server.dns, logger: quiet)
        let registry = Registry(configuration.mesh) {
            resolver.replaceNames(with: $0)
        } changed: {
        }
        let task = Task { await resolver.run(for: registry) }
        let result: Result<Void, any Error>
        do { result = .success(try await body(server, registry)) } catch { result = .failure(error) }
        task.cancel()
        await task.value
        await server.stop()
        try result.get()
    }

    private func gateways(_ registry: Registry) async -> [String] {
        await registry.state.clusters[0].gateways.map(\.description)
    }

    @Test func `A and AAAA, several of each, and the changes`() async throws {
        try await resolving { server in
            server.set("gw.example", "A", .addresses(["192.0.2.2", "192.0.2.1"], ttl: 0))
            server.set("gw.example", "AAAA", .addresses(["2001::1"], ttl: 0))
        } _: { server, registry in
            try await eventually("all") {
                await gateways(registry) == ["192.0.2.1:443", "192.0.2.2:443", "[2001::1]:443"]
            }
            server.set("gw.example", "A", .addresses(["192.0.2.3"], ttl: 0))
            server.set("gw.example", "AAAA", .addresses([], ttl: 0))
            try await eventually("the new one") { await gateways(registry) == ["192.0.2.3:443"] }
            #expect(await registry.state.sources.last?.staleReason == nil)
        }
    }

    @Test(arguments: [
        (NameServer.Answer.code(3), "there is no such name"), (.code(2), "the name servers can't tell"),
        (.addresses([], ttl: 0), "the name has no addresses"), (.garbage, "no name server answered in time"),
        (.silence, "no name server answered in time"),
    ])
    func `the old answer stays, and the reason is shown`(_ answer: NameServer.Answer, _ reason: String)
        async throws
    {
        try await resolving { server in
            server.set("gw.example", "A", .addresses(["192.0.2.1"], ttl: 0))
            server.set("gw.example", "AAAA", .addresses([], ttl: 0))
        } _: { server, registry in
            try await eventually("known") { await gateways(registry) == ["192.0.2.1:443"] }
            server.set("gw.example", "A", answer)
            server.set("gw.example", "AAAA", answer)
            try await eventually("shown") {
                await registry.state.sources.last?.staleReason?.contains(reason) == true
            }
            #expect(await gateways(registry) == ["192.0.2.1:443"])
            #expect(await registry.state.sources.last?.description == "dns gw.example")
            server.set("gw.example", "A", .addresses(["192.0.2.9"], ttl: 0))
            server.set("gw.example", "AAAA", .addresses([], ttl: 0))
            try await eventually("back") { await gateways(registry) == ["192.0.2.9:443"] }
            #expect(await registry.state.sources.last?.staleReason == nil)
        }
    }

    @Test func `where one kind of address can't be had, the last ones of that kind stay`() async throws {
        try await resolving { server in
            server.set("gw.example", "A", .addresses(["192.0.2.1"], ttl: 0))
            server.set("gw.example", "AAAA", .addresses(["2001::1"], ttl: 0))
        } _: { server, registry in
            try await eventually("both") { await gateways(registry).count == 2 }
            server.set("gw.example", "AAAA", .code(2))
            server.set("gw.example", "A", .addresses(["192.0.2.5"], ttl: 0))
            try await eventually("A is new, AAAA stays") {
                await gateways(registry) == ["192.0.2.5:443", "[2001::1]:443"]
            }
        }
    }

    @Test(arguments: ["a.example b.example", "a.example. b.example."])
    func `a name is looked up in the domains to search, with or without their final point`(_ domains: String)
        async throws
    {
        let server = try await NameServer()
        server.set("gw.b.example", "A", .addresses(["192.0.2.7"], ttl: 60))
        try await withTemporaryDirectory { directory in
            try "search \(domains)\n".write(toFile: "\(directory)/resolv.conf", atomically: true, encoding: .utf8)
            var settings = Configuration.DNS()
            settings.servers = [try #require(SocketAddress(server.address))]
            let servers = NameServers(
                settings: settings, patience: Patience.usual, resolverFile: "\(directory)/resolv.conf")
            let expected = [IPAddress("192.0.2.7")].compactMap(\.self)
            #expect(await servers.find("gw", .a) == .addresses(expected, ttl: 60))
        }
        await server.stop()
    }

    @Test func `a long answer is asked for over TCP`() async throws {
        try await resolving { server in
            server.set("gw.example", "A", .truncated((1...60).map { "192.0.2.\($0)" }))
            server.set("gw.example", "AAAA", .addresses([], ttl: 0))
        } _: { _, registry in
            try await eventually("all of it") { await gateways(registry).count == 60 }
        }
    }

    @Test func `answers are used as long as they say, within bounds`() async throws {
        let ask = { (ttl: UInt32) async throws -> Int in
            var count = 0
            try await resolving { server in
                server.set("gw.example", "A", .addresses(["192.0.2.1"], ttl: ttl))
                server.set("gw.example", "AAAA", .addresses([], ttl: ttl))
            } _: { server, registry in
                // 20 to 60 ms, whatever they say: 0 s, or an hour.
                try await eventually("asked again and again") { server.questions.count >= 10 }
                count = server.questions.count
            }
            return count
        }
        #expect(try await ask(0) >= 10)
        #expect(try await ask(3_600) >= 10)
        var last: [NameServers.RecordType: [IPAddress]] = [:]
        let one = [IPAddress("192.0.2.1")].compactMap(\.self)
        #expect(Resolver.join([.a: .addresses(one, ttl: 30), .aaaa: .addresses([], ttl: .max)], &last).ttl == 30)
    }

    @Test func `nothing is served of a cluster whose gateways have never been found`() async throws {
        try await resolving { _ in
        } _: { _, registry in
            let source = await SourceID(registry.state.intent.clusters[0])
            await registry.receive(.pods(["s": pods("p", 2, network: 1)]), from: source)
            try await eventually("asked") { await registry.state.sources.last?.staleReason != nil }
            #expect(await !registry.state.isSynced)
            #expect(await registry.takeChanges() == nil)
        }
    }

    @Test func `names without an answer delay no other name`() async throws {
        let server = try await NameServer()
        let dead = (0..<20).map { "dead\($0).example" }
        for name in dead { server.set(name, "A", .silence) }
        server.set("gw.example", "A", .addresses(["192.0.2.1"], ttl: 60))
        var settings = Configuration.DNS()
        settings.servers = [try #require(SocketAddress(server.address))]
        let servers = NameServers(settings: settings, patience: .seconds(60))
        let lookups = Task {
            await withTaskGroup { group in
                for name in dead { group.addTask { _ = await servers.find(name, .a) } }
            }
        }
        try await eventually("all are asked") { Set(server.questions).count >= dead.count }
        guard case .addresses = await servers.find("gw.example", .a) else {
            return #expect(Bool(false), "there was no answer")
        }
        lookups.cancel()
        await lookups.value
        await server.stop()
    }

    @Test func `each name server is asked, however many before it are silent`() async throws {
        var all: [NameServer] = []
        for _ in 0..<5 { all.append(try await NameServer()) }
        for server in all.dropLast() { server.set("gw.example", "A", .silence) }
        all.last?.set("gw.example", "A", .addresses(["192.0.2.1"], ttl: 60))
        var settings = Configuration.DNS()
        settings.servers = all.compactMap { SocketAddress($0.address) }
        let servers = NameServers(settings: settings, patience: .milliseconds(300))
        let expected = [IPAddress("192.0.2.1")].compactMap(\.self)
        #expect(await servers.find("gw.example", .a) == .addresses(expected, ttl: 60))
        for server in all { await server.stop() }
    }

    @Test func `a look-up that is cancelled ends at once`() async throws {
        let server = try await NameServer()
        server.set("gw.example", "A", .silence)
        var settings = Configuration.DNS()
        settings.servers = [try #require(SocketAddress(server.address))]
        let servers = NameServers(settings: settings, patience: .seconds(60))
        let lookup = Task { await servers.find("gw.example", .a) }
        try await eventually("asked") { !server.questions.isEmpty }
        lookup.cancel()
        guard case .failure = await lookup.value else { return #expect(Bool(false), "there was no answer") }
        await server.stop()
    }
}
