import Balancing
import Model
import Testing
import TestSupport

/// A tracker over a cluster whose pods and clock the test moves.
private struct Tracked {
    var tracker = RenewalTracker()
    var now = ContinuousClock.now
    let reach: Reach
    var pods: [String] = []

    init(_ reach: Reach, _ pods: [String]) {
        self.reach = reach
        self.pods = pods
    }

    var mesh: Mesh {
        let all = pods.map { Pod(name: $0, address: address("10.0.0.\($0.dropFirst()):80")) }
        return Mesh(
            clusters: [Cluster(name: "west", gateways: [address("1.1.1.1:1")], reach: reach)],
            pods: ["west": all])
    }

    /// Looks now.
    mutating func look() -> (renewal: Renewal?, next: ContinuousClock.Instant?) {
        let (renewals, next) = tracker.update("s", in: mesh, at: now)
        return (renewals["west"], next)
    }

    /// Looks whenever it is due, until nothing is.
    mutating func settle() -> [Renewal] {
        var renewals: [Renewal] = []
        for _ in 0..<100 {
            let (renewal, next) = look()
            if let renewal, renewals.last != renewal { renewals.append(renewal) }
            guard let next else { break }
            now = next
        }
        return renewals
    }
}

@Test func `a generation begins a second after pods change, and not at once`() {
    var tracked = Tracked(.gateway(refresh: true), ["w1", "w2"])
    let first = tracked.look().renewal?.generation
    tracked.pods = ["w1"]
    let (unchanged, later) = tracked.look()
    #expect(unchanged?.generation == first)
    #expect(later == tracked.now + RenewalTracker.delay)
    tracked.pods = ["w1", "w3"]
    let (renewal, next) = tracked.look()
    #expect(renewal?.generation == first, "the gateway has to hear of w3 first")
    #expect(next == tracked.now + RenewalTracker.delay)
    #expect(tracked.settle().last?.generation != first)
    tracked.pods = ["w1", "w2", "w3"]
    let second = tracked.look().renewal?.generation
    #expect(tracked.settle().last?.generation != second, "a pod that comes back is a new one to connections")
}

@Test func `pods that go and come back at once begin a generation, too`() {
    var tracked = Tracked(.gateway(refresh: true), ["w1", "w2"])
    let first = tracked.look().renewal?.generation
    tracked.pods = ["w1"]
    _ = tracked.look()
    tracked.pods = ["w1", "w2"]
    let between = tracked.look().renewal?.generation
    #expect(between != first, "connections to w2 are gone")
    #expect(tracked.settle().last?.generation == first, "and in the end it is that of the pods")
}

@Test func `a rollout begins few generations`() {
    var tracked = Tracked(.gateway(refresh: true), ["w1"])
    var generations: Set<String> = []
    let start = tracked.now
    for number in 2...200 {
        tracked.pods.append("w\(number)")
        tracked.now += .milliseconds(100)
        generations.insert(tracked.look().renewal?.generation ?? "")
    }
    let intervals = Int((tracked.now - start) / RenewalTracker.interval)
    #expect((2...intervals + 2).contains(generations.count))
    #expect(tracked.settle().count == 2, "what came last is renewed too")
}

@Test(arguments: [Reach.gateway(refresh: true), .lanes(LaneSettings(gatewayPolicy: .roundRobin))])
func `replicas and restarts come to the same renewals, whatever they saw before`(reach: Reach) {
    var one = Tracked(reach, ["w1", "w2"])
    for pods in [["w1"], ["w1", "w2", "w3", "w4"], ["w3", "w2"]] {
        one.pods = pods
        _ = one.settle()
    }
    var other = Tracked(reach, ["w2", "w3"])
    _ = other.settle()
    #expect(one.look().renewal == other.look().renewal)
}

@Test func `lanes to a gateway that prefers idle pods are added, and the old ones stay`() {
    var tracked = Tracked(.lanes(LaneSettings()), ["w1"])
    #expect(tracked.settle().map(\.lanes) == [(0..<4).map { "lane-\($0)" }])
    tracked.pods = ["w1", "w2", "w3"]
    let steps = tracked.settle()
    #expect(steps.last?.lanes == (0..<12).map { "lane-\($0)" })
    for (before, after) in zip(steps, steps.dropFirst()) {
        #expect(after.lanes.starts(with: before.lanes))
        #expect(after.lanes.count - before.lanes.count <= 3, "a quarter at most in one step")
    }
    tracked.pods = ["w1"]
    #expect(tracked.look().renewal?.lanes.count == 4, "at once")
}

@Test func `lanes to a gateway that picks in turn are renewed a few at a time`() {
    let settings = LaneSettings(perPod: 4, most: 8, gatewayPolicy: .roundRobin)
    var tracked = Tracked(.lanes(settings), ["w1", "w2"])
    let first = tracked.settle().last?.lanes ?? []
    #expect(Set(first).count == 8)
    tracked.pods = ["w1", "w2", "w3"]
    let steps = tracked.settle()
    for (before, after) in zip(steps, steps.dropFirst()) {
        #expect(zip(before.lanes, after.lanes).count { $0 != $1 } <= 2)
    }
    let last = Set(steps.last?.lanes ?? [])
    #expect(last.isDisjoint(with: first), "and all of them in the end")
}
