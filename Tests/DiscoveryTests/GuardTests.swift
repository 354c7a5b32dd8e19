@testable import Discovery
import Foundation
import Intent
import MeshConfiguration
import Model
import Pacing
import Synchronization
import TestBench
import Testing
import TestSupport

/// When a service that shrinks is held: the rule alone.
@Suite struct ShrinkGuardTests {
    /// A service, over time.
    private struct Story {
        var settings = ShrinkGuard()
        var now = ContinuousClock.now
        var served: [Pod] = []
        var record: ShrinkRecord?

        mutating func tell(_ pods: [Pod], _ evidence: SourceUpdate.Evidence = .none, after seconds: Int = 0) -> [String]
        {
            now += .seconds(seconds)
            served = settings.admit(pods, over: served, evidence, &record, at: now)
            return served.map(\.name).sorted()
        }
    }

    private func some(_ count: Int, health: Pod.Health = .healthy) -> [Pod] {
        pods("p", count, network: 1, health: health)
    }

    @Test(arguments: [
        (10, 5, true), (10, 4, false), (4, 2, true), (4, 1, false), (3, 1, true), (3, 0, false), (1, 0, false),
    ])
    func `without evidence half may go, of four and more, and never all`(_ before: Int, _ after: Int, _ isAllowed: Bool)
    {
        var story = Story(served: some(before))
        #expect(story.tell(some(after)).count == (isAllowed ? after : before))
        #expect((story.record?.hold == nil) == isAllowed)
    }

    @Test func `small falls in a row are one fall`() {
        var story = Story(served: some(10))
        #expect(story.tell(some(6)).count == 6)
        #expect(story.tell(some(4), after: 60).count == 6, "6 and then 2 of 10, within the time that sets are held")
        #expect(story.record?.hold?.reason.contains("4 of 10") == true)
        #expect(story.tell(some(6), after: 10).count == 6)
        #expect(story.record?.hold == nil)
        #expect(story.tell(some(4), after: 301).count == 4, "what was long ago doesn't count")
    }

    @Test(arguments: [(3, 0, 0), (1, 0, 0), (10, 5, 5), (10, 4, 5), (4, 0, 2)])
    func `deletes let all of a small set go, and the share of a bigger one`(
        _ before: Int, _ after: Int, _ served: Int
    ) {
        var story = Story(served: some(before))
        #expect(story.tell(some(after), .deletes).count == served)
        #expect((story.record?.hold != nil) == (served > after))
    }

    @Test func `deletes at the pace may go on to nothing`() {
        var story = Story(served: some(16))
        for count in [8, 4, 2, 1, 0] { #expect(story.tell(some(count), .deletes, after: 11).count == count) }
        #expect(story.record?.hold == nil)
        story = Story(served: some(16))
        #expect(story.tell(some(8), .deletes).count == 8)
        #expect(story.tell(some(4), .deletes, after: 5).count == 8, "too fast")
    }

    @Test func `pods that were draining have had their notice`() {
        var story = Story(served: some(10))
        #expect(story.tell(some(10, health: .draining)).count == 10)
        #expect(story.tell([]).isEmpty)
        story = Story(served: some(10))
        let half = some(10).map { pod in
            var pod = pod
            if pod.name != "p1" { pod.health = .draining }
            return pod
        }
        #expect(story.tell(half).count == 10)
        #expect(story.tell([half[0]]) == ["p1"])
    }

    @Test func `pods that are replaced are no fall`() {
        var story = Story(served: some(10))
        #expect(story.tell(pods("q", 10, network: 2)).allSatisfy { $0.hasPrefix("q") })
    }

    @Test func `within a held set health changes, new pods come, and an address is served once`() {
        var story = Story(served: some(10))
        _ = story.tell(some(2))
        #expect(story.served.count == 10)
        var two = some(2)
        two[0].health = .unhealthy
        let newcomer = Pod(name: "new", address: some(10)[9].address)
        #expect(story.tell(two + [newcomer], after: 1).count == 10)
        #expect(story.served.first { $0.name == "p1" }?.health == .unhealthy)
        #expect(story.served.contains { $0.name == "new" } && !story.served.contains { $0.name == "p10" })
        #expect(story.record?.hold?.since != story.now, "the hold began before")
    }
}

/// Holds in the registry.
@Suite struct HoldTests {
    private func registry(_ settings: String = "on") throws -> (Registry, SourceID) {
        let configuration = try Configuration(
            text: "cluster: a\nclusters: {a: {endpoints: {file: a.yaml}}}\nservices: {s: {}}\nguard: \(settings)\n",
            file: "/c/b.yaml")
        return (Registry(configuration.mesh) {}, SourceID(configuration.mesh.clusters[0]))
    }

    @Test func `held deletes go in steps without another event of the source`() async throws {
        let (registry, source) = try registry("{pace: 100ms}")
        await registry.receive(.pods(["s": pods("p", 16, network: 1)]), from: source)
        _ = await registry.takeChanges()
        await registry.receive(.changes(["s": []], .deletes), from: source)
        var steps: [Int] = []
        try await eventually("all are gone") {
            let next = await registry.takeChanges()?.nextRelease
            let count = await registry.state.pods["a"]?["s"]?.count ?? 0
            if steps.last != count { steps.append(count) }
            #expect((next != nil) == (count > 0), "there is a time when more may go")
            return count == 0
        }
        #expect(steps.first == 8 && steps.count > 2, "\(steps)")
        #expect(await registry.state.holds.isEmpty)
    }

    @Test func `a list after deletes keeps the evidence`() async throws {
        let (registry, source) = try registry("{pace: 100ms}")
        await registry.receive(.pods(["s": pods("p", 16, network: 1)]), from: source)
        _ = await registry.takeChanges()
        await registry.receive(.changes(["s": []], .deletes), from: source)
        await registry.receive(.pods([:]), from: source)
        #expect(await registry.state.holds.first?.nextStep != nil)
        try await eventually("all are gone") {
            _ = await registry.takeChanges()
            return await registry.state.pods["a"]?["s"] == nil
        }
        // A list that lacks more than was deleted is no evidence for that.
        await registry.receive(.pods(["s": pods("p", 16, network: 1)]), from: source)
        await registry.receive(.changes(["s": pods("p", 4, network: 1)], .deletes), from: source)
        await registry.receive(.pods(["s": pods("p", 1, network: 1)]), from: source)
        let hold = try #require(await registry.state.holds.first)
        #expect(hold.nextStep == nil && hold.pods.contains("p2"))
    }

    @Test func `held pods that fail go, and the rest is held on`() async throws {
        let (registry, source) = try registry()
        let all = pods("p", 4, network: 1)
        await registry.receive(.pods(["s": all]), from: source)
        await registry.receive(.pods(["s": [all[0]]]), from: source)
        await registry.releaseFailing(["p2"], of: "s", in: "a")
        #expect(await registry.state.holds.first?.pods == ["p3", "p4"])
        var changed = all[0]
        changed.weight = try #require(Weight(3))
        await registry.receive(.pods(["s": [changed]]), from: source)
        #expect(await registry.state.holds.first?.pods == ["p3", "p4"])
        #expect(await registry.state.pods["a"]?["s"]?.count == 3)
    }

    @Test func `pods under a name that is not served can't be released`() async throws {
        let (registry, source) = try registry()
        await registry.receive(.pods(["s": pods("p", 4, network: 1)]), from: source)
        await registry.receive(.pods(["S1": pods("p", 4, network: 1)]), from: source)
        let hold = try #require(await registry.state.holds.first)
        #expect(hold.reason.hasSuffix("they stand under S1 now, which nobody is served: is that s?"), "\(hold.reason)")
    }

    @Test func `lines of one kind have a pace, and those that were left out are counted`() {
        var pace = LinePace(perMinute: 10)
        let start = ContinuousClock.now
        #expect((0..<100).count { _ in pace.admit("x", at: start) != nil } == 10)
        #expect(pace.admit("x", at: start + .seconds(7)) == "x (90 lines of this kind were left out before)")
        #expect(pace.admit("x", at: start + .seconds(8)) == nil)
    }

    @Test func `a held set is shown, ends in time, and can be released`() async throws {
        let (registry, source) = try registry()
        await registry.receive(.pods(["s": pods("p", 10, network: 1)]), from: source)
        await registry.receive(.pods(["s": pods("p", 1, network: 1)]), from: source)
        let hold = try #require(await registry.state.holds.first)
        #expect(hold.service == "s" && hold.cluster == "a" && hold.pods.count == 9)
        #expect(abs(hold.until.timeIntervalSince(hold.since) - 300) < 0.1)
        #expect(await registry.state.pods["a"]?["s"]?.count == 10)
        #expect(try #require(await registry.takeChanges()).nextRelease != nil)

        #expect(await registry.release("other") == [])
        #expect(await registry.release("s") == ["a"])
        #expect(try #require(await registry.takeChanges()).pods["s"]?["a"]?.count == 1)
        #expect(await registry.state.holds.isEmpty)
    }

    @Test func `when its time is over, what the source says is served`() async throws {
        let (registry, source) = try registry("{holdFor: 1m}")
        await registry.receive(.pods(["s": pods("p", 3, network: 1)]), from: source)
        await registry.receive(.pods([:]), from: source)
        #expect(try #require(await registry.takeChanges()).pods["s"]?["a"]?.count == 3)
        #expect(try #require(await registry.takeChanges(at: .now + .seconds(59))).pods.isEmpty)
        #expect(try #require(await registry.takeChanges(at: .now + .seconds(61))).pods["s"] == [:])
    }

    @Test func `off means off`() async throws {
        let (registry, source) = try registry("off")
        await registry.receive(.pods(["s": pods("p", 10, network: 1)]), from: source)
        await registry.receive(.pods([:]), from: source)
        #expect(await registry.state.pods["a"] == [:])
    }

    @Test func `a set that comes back ends its hold`() async throws {
        let (registry, source) = try registry()
        let all: [ServiceName: [Pod]] = ["s": pods("p", 10, network: 1)]
        for report in [all, [:], all] { await registry.receive(.pods(report), from: source) }
        #expect(await registry.state.holds.isEmpty)
        #expect(await registry.state.pods["a"] == all)
    }
}
