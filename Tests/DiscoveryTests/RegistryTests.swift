import Balancing
@testable import Discovery
import MeshConfiguration
import Synchronization
import TestBench
import TestSupport
import Testing

private func configuration(_ clusters: String...) throws -> Configuration {
    let entries = clusters.map { "  \($0): {endpoints: {file: \($0).yaml}}" }
    return try Configuration(
        text: "cluster: \(clusters[0])\nclusters:\n\(entries.joined(separator: "\n"))\nservices: {s: {}}\nguard: off\n",
        file: "/c/b.yaml"
    )
}

private let onePod: [ServiceName: [Pod]] = ["s": pods("p", 1, network: 1)]

@Suite struct RegistryTests {
    @Test func `nothing is served before every source has delivered once`() async throws {
        let configuration = try configuration("east", "west")
        let registry = Registry(configuration) {}
        let sources = configuration.clusters.map(SourceID.init)
        await registry.receive(.pods(onePod), from: sources[0])
        await registry.receive(.failure(reason: "no file"), from: sources[1])
        #expect(await !registry.state.isSynced)
        await registry.receive(.pods([:]), from: sources[1])
        #expect(await registry.state.isSynced, "no pods are an answer too")
    }

    @Test func `a failing source keeps its last good state, marked stale`() async throws {
        let configuration = try configuration("east")
        let registry = Registry(configuration) {}
        let source = SourceID(configuration.clusters[0])
        await registry.receive(.pods(onePod), from: source)
        await registry.receive(.failure(reason: "gone"), from: source)
        let state = await registry.state
        #expect(state.mesh.pods["east"] == onePod)
        #expect(state.sources[0].staleReason == "gone")
        await registry.receive(.pods(onePod), from: source)
        #expect(await registry.state.sources[0].staleReason == nil)
    }

    @Test(arguments: [
        ("gateways: [\"192.0.2.1:1\"]", ["192.0.2.1:1"]), ("", ["192.0.2.3:3"]),
        ("gateways: {kubernetes: {namespace: n, labelSelector: a=b, port: 1}}", ["192.0.2.2:2"]),
    ])
    func `gateways are those of whom the configuration names`(_ gateways: String, _ expected: [String]) async throws {
        let text = """
            cluster: a
            guard: off
            clusters:
              a:
                endpoints: {ballast: {address: "b:1", tls: {certificate: c, key: k, ca: a}}}
                \(gateways)
            services: {s: {}}
            """
        let configuration = try Configuration(text: text, file: "/c/b.yaml")
        let registry = Registry(configuration) {}
        let source = configuration.clusters[0]
        if let other = SourceID(gatewaysOf: source) {
            await registry.receive(.gateways([.address(address("192.0.2.2:2"))]), from: other)
        }
        await registry.receive(.pods(onePod), from: SourceID(source))
        await registry.receive(.gateways([.address(address("192.0.2.3:3"))]), from: SourceID(source))
        #expect(await registry.state.mesh.clusters[0].gateways.map(\.description) == expected)
    }

    @Test func `a report that says nothing new changes nothing`() async throws {
        let changes = Mutex(0)
        let configuration = try configuration("east")
        let registry = Registry(configuration) { changes.withLock { $0 += 1 } }
        let source = SourceID(configuration.clusters[0])
        for _ in 0..<3 { await registry.receive(.pods(onePod), from: source) }
        #expect(changes.withLock { $0 } == 1)
    }

    @Test func `only the services that changed are told, once`() async throws {
        let configuration = try configuration("east", "west")
        let registry = Registry(configuration) {}
        let sources = configuration.clusters.map(SourceID.init)
        #expect(await registry.takeChanges() == nil, "not before every source has delivered")
        await registry.receive(.pods(["s": pods("p", 1, network: 1), "t": pods("t", 1, network: 2)]), from: sources[0])
        await registry.receive(.pods(["s": pods("w", 1, network: 3)]), from: sources[1])
        let first = try #require(await registry.takeChanges())
        #expect(first.configuration == configuration)
        #expect(Set(first.pods.keys) == ["s", "t"])
        await registry.receive(
            .changes(["s": pods("p", 2, network: 1), "t": pods("t", 1, network: 2)], .none), from: sources[0])
        let second = try #require(await registry.takeChanges())
        #expect(second.configuration == nil)
        #expect(second.pods == ["s": ["east": pods("p", 2, network: 1), "west": pods("w", 1, network: 3)]])
        await registry.receive(.changes(["s": []], .deletes), from: sources[0])
        await registry.receive(.pods([:]), from: sources[1])
        #expect(try #require(await registry.takeChanges()).pods == ["s": [:]])
        #expect(try #require(await registry.takeChanges()).pods.isEmpty)
        #expect(await registry.state.sources.map(\.podCount) == [1, 0])
    }

    @Test func `a new configuration keeps what is known, and doesn't wait for the clusters it adds`() async throws {
        let before = try configuration("east")
        let registry = Registry(before) {}
        await registry.receive(.pods(onePod), from: SourceID(before.clusters[0]))
        let after = try configuration("east", "west")
        await registry.configure(after)
        let state = await registry.state
        #expect(state.isSynced)
        #expect(state.mesh.pods == ["east": onePod])
        #expect(state.sources.map(\.isSynced) == [true, false])
    }

    @Test func `a configuration without the cluster that never delivered is enough to serve`() async throws {
        let before = try configuration("east", "west")
        let registry = Registry(before) {}
        await registry.receive(.pods(onePod), from: SourceID(before.clusters[0]))
        #expect(await !registry.state.isSynced)
        await registry.configure(try configuration("east"))
        #expect(await registry.state.isSynced)
    }

    @Test func `a source that the configuration no longer names isn't heard`() async throws {
        let before = try configuration("east", "west")
        let registry = Registry(before) {}
        let sources = before.clusters.map(SourceID.init)
        for source in sources { await registry.receive(.pods(onePod), from: source) }
        await registry.configure(try configuration("east"))
        #expect(await !registry.receive(.pods([:]), from: sources[1]))
        #expect(await registry.state.mesh.pods == ["east": onePod])
    }
}

@Suite struct DebounceTests {
    @Test func `signals that follow each other quickly count as one, and none waits longer than the limit`()
        async throws
    {
        let clock = ManualClock()
        let debounce = Debounce(quiet: .milliseconds(10), longest: .milliseconds(100), clock: clock)
        let gathered = Mutex<[Duration]>([])
        let task = Task { await debounce.forEach { gathered.withLock { $0.append(clock.now.offset) } } }
        defer { task.cancel() }

        debounce.signal()
        try await eventually("a lone signal goes through at once") { gathered.withLock { $0 } == [.zero] }

        // One that follows it waits for quiet.
        debounce.signal()
        try await eventually("it sleeps until quiet") { clock.sleepers == [.milliseconds(10)] }
        clock.advance(by: .milliseconds(10))
        try await eventually("it is quiet") { gathered.withLock { $0.count } == 2 }
        #expect(gathered.withLock { $0[1] } == .milliseconds(10))

        // After a time of quiet, one is a lone one again.
        clock.advance(by: .milliseconds(10))
        debounce.signal()
        try await eventually("at once") { gathered.withLock { $0.count } == 3 }
        #expect(gathered.withLock { $0[2] } == .milliseconds(20))

        // A signal every 5 ms, from 20 on: never quiet.
        debounce.signal()
        for _ in 0..<20 {
            try await eventually("it sleeps") { clock.sleepers.count == 1 }
            clock.advance(by: .milliseconds(5))
            debounce.signal()
        }
        try await eventually("the limit") { gathered.withLock { $0.count } == 4 }
        #expect(gathered.withLock { $0[3] } == .milliseconds(120))

    }
}
