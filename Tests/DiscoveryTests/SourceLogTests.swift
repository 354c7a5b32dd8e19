@testable import Discovery
import Intent
import MeshConfiguration
import Model
import Testing
import TestSupport

/// How much is said of sources.
@Suite struct SourceLogTests {
    private let bad = ReportOutcome(isNews: true, isStale: true, hasState: true)
    private let good = ReportOutcome(isNews: true, isStale: false, hasState: true)

    @Test func `an outage that lasts an hour is logged three times, and once a minute`() {
        var log = SourceLog()
        let start = ContinuousClock.now
        var told = 0
        for second in stride(from: 0.0, to: 3_600, by: 0.5) {
            // The reason differs each time, as ports and times in it do.
            if log.verdict(isFailure: true, bad, at: start + .seconds(second)) == .logged { told += 1 }
        }
        #expect((60...63).contains(told))
        #expect(log.verdict(isFailure: false, good, at: start + .seconds(3_600)) == .isBack)
        #expect(log.verdict(isFailure: false, good, at: start + .seconds(3_601)) == .logged)
    }

    @Test func `the same failure again is logged once`() {
        var log = SourceLog()
        #expect(log.verdict(isFailure: true, bad) == .logged)
        let again = ReportOutcome(isNews: false, isStale: true, hasState: true)
        for _ in 0..<100 { #expect(log.verdict(isFailure: true, again) == .suppressed) }
        // Another part of the source goes on meanwhile.
        let other = ReportOutcome(isNews: false, isStale: true, hasState: true)
        #expect(log.verdict(isFailure: false, other) == .suppressed)
    }

    @Test func `with a part down, events of another part leave the time since when it is`() async throws {
        let configuration = try Configuration(
            text: "cluster: a\nclusters: {a: {endpoints: {file: a.yaml}}}\nservices: {s: {}}\nguard: off\n",
            file: "/c/b.yaml")
        let registry = Registry(configuration.mesh) {}
        let source = SourceID(configuration.mesh.clusters[0])
        await registry.receive(.pods(["s": pods("p", 3, network: 1)]), from: source)
        await registry.receive(.failure(reason: "one part is away", ofPart: true), from: source)
        let since = try #require(await registry.state.sources[0].staleSince)
        for count in [1, 2, 3] {
            await registry.receive(.changes(["s": pods("p", count, network: 1)], .deletes), from: source)
            let outcome = await registry.receive(.failure(reason: "one part is away", ofPart: true), from: source)
            #expect(!outcome.isNews && outcome.isStale)
        }
        let status = await registry.state.sources[0]
        #expect(status.staleSince == since && status.staleReason == "one part is away" && status.podCount == 3)
        await registry.receive(.confirmed, from: source)
        #expect(await registry.state.sources[0].staleReason == nil)
    }
}

/// Names in two spellings.
@Suite struct SpellingTests {
    private func configuration(_ services: String) throws -> Configuration {
        try Configuration(
            text:
                "cluster: us\nclusters: {us: {endpoints: {file: us.yaml}}, eu: {endpoints: {file: eu.yaml}}}\nservices: \(services)\n",
            file: "/c/b.yaml")
    }

    @Test func `a mistyped service is reported by both sides, until it is mended`() async throws {
        let configuration = try configuration("{orders: {}, cart: {}}")
        let registry = Registry(configuration.mesh) {}
        let (eu, us) = (SourceID(configuration.mesh.clusters[0]), SourceID(configuration.mesh.clusters[1]))
        await registry.receive(.pods(["cart": pods("c", 1, network: 1)]), from: us)
        await registry.receive(.pods(["ordres": pods("p", 3, network: 2)]), from: eu)
        _ = await registry.takeChanges()
        #expect(
            await registry.state.problems == [
                "orders has no pods in any cluster, so that requests to it fail; eu has pods of ordres: is that it?",
                """
                eu has pods of ordres, which nobody is served: `services` doesn't have it; did you mean orders?
                """,
            ])
        await registry.receive(.pods(["orders": pods("p", 3, network: 2)]), from: eu)
        _ = await registry.takeChanges()
        #expect(await registry.state.problems.isEmpty)
        #expect(await registry.state.holds.isEmpty, "a name that nobody is served leaves no hold behind")
    }

    @Test func `where every service is served, no name is a stray`() throws {
        let pods: [ClusterName: [ServiceName: [Pod]]] = ["us": ["ordres": TestSupport.pods("p", 1, network: 1)]]
        #expect(
            try configuration("{orders: {}, \"*\": {}}").mesh.problems(ofNamesIn: pods, isEverything: true).count == 1)
        #expect(
            try configuration("{orders: {}, \"*\": {}}").mesh.problems(ofNamesIn: pods, isEverything: false).isEmpty)
        #expect(try configuration("{orders: {}}").mesh.problems(ofNamesIn: pods, isEverything: true).count == 2)
    }
}
