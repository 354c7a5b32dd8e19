@testable import Discovery
import Intent
import Logging
import MeshConfiguration
import Model
import Pacing
import Synchronization
import TestBench
import Testing
import TestSupport

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
        let registry = Registry(configuration.mesh) {}
        let sources = configuration.mesh.clusters.map(SourceID.init)
        await registry.receive(.pods(onePod), from: sources[0])
        await registry.receive(.failure(reason: "no file"), from: sources[1])
        #expect(await !registry.state.isSynced)
        await registry.receive(.pods([:]), from: sources[1])
        #expect(await registry.state.isSynced, "no pods are an answer too")
    }

    @Test func `a failing source keeps its last good state, marked stale`() async throws {
        let configuration = try configuration("east")
        let registry = Registry(configuration.mesh) {}
        let source = SourceID(configuration.mesh.clusters[0])
        await registry.receive(.pods(onePod), from: source)
        await registry.receive(.failure(reason: "gone"), from: source)
        let state = await registry.state
        #expect(state.pods["east"] == onePod)
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
                endpoints: {ballast: {address: "b:1", services: ["*"], tls: {certificate: c, key: k, ca: a}}}
                \(gateways)
            services: {s: {}}
            """
        let configuration = try Configuration(text: text, file: "/c/b.yaml")
        let registry = Registry(configuration.mesh) {}
        let source = configuration.mesh.clusters[0]
        if let other = SourceID(gatewaysOf: source) {
            await registry.receive(.gateways([.address(address("192.0.2.2:2"))]), from: other)
        }
        await registry.receive(.pods(onePod), from: SourceID(source))
        await registry.receive(.gateways([.address(address("192.0.2.3:3"))]), from: SourceID(source))
        #expect(await registry.state.clusters[0].gateways.map(\.description) == expected)
    }

    @Test func `without gateways in the configuration any more, those that the peer exported count`() async throws {
        let text = """
            cluster: a
            guard: off
            clusters:
              a:
                endpoints: {ballast: {address: "b:1", services: ["*"], tls: {certificate: c, key: k, ca: a}}}
                gateways: ["192.0.2.1:1"]
            services: {s: {}}
            """
        let listed = try Configuration(text: text, file: "/c/b.yaml").mesh
        let exported = try Configuration(
            text: text.replacingOnce("    gateways: [\"192.0.2.1:1\"]\n", with: ""), file: "/c/b.yaml"
        ).mesh
        let registry = Registry(listed) {}
        let source = SourceID(listed.clusters[0])
        await registry.receive(.pods(onePod), from: source)
        await registry.receive(.gateways([.address(address("192.0.2.3:3"))]), from: source)
        for (intent, expected) in [(exported, "192.0.2.3:3"), (listed, "192.0.2.1:1"), (exported, "192.0.2.3:3")] {
            await registry.replaceIntent(with: intent)
            #expect(await registry.state.clusters[0].gateways.map(\.description) == [expected])
        }
    }

    @Test func `a report that says nothing new changes nothing`() async throws {
        let changes = Mutex(0)
        let configuration = try configuration("east")
        let registry = Registry(configuration.mesh) { changes.withLock { $0 += 1 } }
        let source = SourceID(configuration.mesh.clusters[0])
        for _ in 0..<3 { await registry.receive(.pods(onePod), from: source) }
        #expect(changes.withLock { $0 } == 1)
    }

    @Test func `only the services that changed are reported, once`() async throws {
        let configuration = try configuration("east", "west")
        let registry = Registry(configuration.mesh) {}
        let sources = configuration.mesh.clusters.map(SourceID.init)
        #expect(await registry.takeChanges() == nil, "not before every source has delivered")
        await registry.receive(.pods(["s": pods("p", 1, network: 1), "t": pods("t", 1, network: 2)]), from: sources[0])
        await registry.receive(.pods(["s": pods("w", 1, network: 3)]), from: sources[1])
        let first = try #require(await registry.takeChanges())
        #expect(first.intent == configuration.mesh.changes(since: nil))
        #expect(Set(first.pods.keys) == ["s", "t"])
        await registry.receive(
            .changes(["s": pods("p", 2, network: 1), "t": pods("t", 1, network: 2)], .none), from: sources[0])
        let second = try #require(await registry.takeChanges())
        #expect(second.intent == nil && second.gateways.isEmpty)
        #expect(second.pods == ["s": ["east": pods("p", 2, network: 1), "west": pods("w", 1, network: 3)]])
        await registry.receive(.changes(["s": []], .deletes), from: sources[0])
        await registry.receive(.pods([:]), from: sources[1])
        #expect(try #require(await registry.takeChanges()).pods == ["s": [:]])
        #expect(try #require(await registry.takeChanges()).pods.isEmpty)
        #expect(await registry.state.sources.map(\.podCount) == [1, 0])
    }

    @Test func `a new configuration keeps what is known, and doesn't wait for the clusters it adds`() async throws {
        let before = try configuration("east")
        let registry = Registry(before.mesh) {}
        await registry.receive(.pods(onePod), from: SourceID(before.mesh.clusters[0]))
        let after = try configuration("east", "west")
        await registry.replaceIntent(with: after.mesh)
        let state = await registry.state
        #expect(state.isSynced)
        #expect(state.pods == ["east": onePod])
        #expect(state.sources.map(\.isSynced) == [true, false])
    }

    @Test func `a configuration without the cluster that never delivered is enough to serve`() async throws {
        let before = try configuration("east", "west")
        let registry = Registry(before.mesh) {}
        await registry.receive(.pods(onePod), from: SourceID(before.mesh.clusters[0]))
        #expect(await !registry.state.isSynced)
        await registry.replaceIntent(with: try configuration("east").mesh)
        #expect(await registry.state.isSynced)
    }

    @Test func `a source that the configuration no longer names isn't heard`() async throws {
        let before = try configuration("east", "west")
        let registry = Registry(before.mesh) {}
        let sources = before.mesh.clusters.map(SourceID.init)
        for source in sources { await registry.receive(.pods(onePod), from: source) }
        await registry.replaceIntent(with: try configuration("east").mesh)
        #expect(await !registry.receive(.pods([:]), from: sources[1]).isNews)
        #expect(await registry.state.pods == ["east": onePod])
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

    @Test func `what this cluster exports waits for its own source only`() async throws {
        let text = """
            cluster: east
            xds: {tls: {certificate: c, key: k, clientCA: ca}}
            clusters: {east: {endpoints: {file: east.yaml}}, west: {endpoints: {file: west.yaml}}}
            services: {s: {}}
            export: {west: {identity: "spiffe://x/west", services: [s]}}
            """
        let configuration = try Configuration(text: text, file: "/c/b.yaml")
        let registry = Registry(configuration.mesh) {}
        await registry.receive(.pods(onePod), from: SourceID(configuration.mesh.clusters[1]))
        #expect(await registry.takeChanges() == nil, "its own is still unknown")
        await registry.receive(.pods(onePod), from: SourceID(configuration.mesh.clusters[0]))
        #expect(await registry.takeChanges()?.isComplete == true)

        let waiting = Registry(configuration.mesh) {}
        await waiting.receive(.pods(onePod), from: SourceID(configuration.mesh.clusters[0]))
        let changes = try #require(await waiting.takeChanges())
        #expect(!changes.isComplete)
        #expect(changes.pods["s"]?.keys.sorted() == ["east"])
        #expect(await !waiting.state.isSynced)
        await waiting.receive(.pods(onePod), from: SourceID(configuration.mesh.clusters[1]))
        let rest = try #require(await waiting.takeChanges())
        #expect(rest.isComplete)
        #expect(rest.pods["s"]?.keys.sorted() == ["east", "west"])
    }
}

/// A source that tells a pod of its own number, and goes on until it is stopped and for a moment longer.
private final class NumberedSource: EndpointSource {
    let number: Int
    let stopping: AsyncStream<Void>
    let stop: AsyncStream<Void>.Continuation

    init(_ number: Int) {
        self.number = number
        (stopping, stop) = AsyncStream.makeStream()
    }

    func run(_ report: @escaping @Sendable (SourceReport) async -> Void) async {
        await report(.pods(["s": pods("p\(number)-", 1, network: number)]))
        // Like a source that has something to finish, it ends when the test says so.
        await Task { for await _ in stopping {} }.value
        await report(.pods(["s": pods("late\(number)-", 1, network: number)]))
    }

    func origins(of service: ServiceName) async -> [String: PodOrigin] { ["p": PodOrigin(object: "\(number)")] }
}

@Test func `settings that go and come back are another source, whose provenance and word count`() async throws {
    let made = Mutex<[NumberedSource]>([])
    let (a, b) = try (configuration("east"), configuration("west"))
    let registry = Registry(a.mesh) {}
    let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let runner = SourceRunner(registry: registry, logger: quiet) { _ in
        made.withLock { made in
            made.append(NumberedSource(made.count + 1))
            return made[made.count - 1]
        }
    }
    let running = Task { await runner.run() }
    let names = { await registry.state.pods.values.flatMap { $0.values.joined() }.map(\.name) }
    for (number, configuration) in [a, b, a].enumerated() {
        await registry.replaceIntent(with: configuration.mesh)
        runner.replaceSources(of: configuration.mesh)
        try await eventually("source \(number + 1) has told") { await names() == ["p\(number + 1)-1"] }
    }
    // The first one ends only now.
    for source in made.withLock({ $0.prefix(2) }) { source.stop.finish() }
    try await eventually("what is known is the third's") {
        await runner.origins(of: "s")["east"]?["p"] == PodOrigin(object: "3")
    }
    for _ in 0..<50 { await Task.yield() }
    #expect(await runner.origins(of: "s")["east"]?["p"] == PodOrigin(object: "3"))
    #expect(await names() == ["p3-1"])
    made.withLock { $0[2].stop.finish() }
    running.cancel()
    await running.value
}
