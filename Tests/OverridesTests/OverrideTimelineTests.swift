import Balancing
import Foundation
import Overrides
import Testing
import TestSupport

private let start = Date(timeIntervalSince1970: 1_000_000)

private func override(
    _ transitions: [(at: Double, type: Override.Transition.Kind)] = [],
    _ change: (inout OverrideSpec) -> Void = { _ in }
) -> Override {
    var spec = OverrideSpec(service: "s", reason: "a test")
    spec.shares = ["west": 20]
    spec.until = start + 7_200
    change(&spec)
    return Override(
        id: "k7m2", spec: spec, createdAt: start, createdBy: "anna",
        transitions: transitions.enumerated().map {
            Override.Transition(id: "\($0)", at: start + $1.at, by: "anna", type: $1.type, reason: "")
        })
}

private func state(_ override: Override, at seconds: Double) -> OverrideTimeline.State {
    OverrideTimeline(override).state(at: start + seconds)
}

/// What an override does over time.
@Suite struct OverrideTimelineTests {
    private let ramp = OverrideSpec.Ramp(over: "10m", steps: 5)

    @Test func `a second revert cuts the restore short`() {
        let restored = { (reverts: [Double]) in
            override(reverts.map { ($0, .revert) }) { $0.restore = OverrideSpec.Ramp(over: "100s", steps: 10) }
        }
        #expect(state(restored([1_000]), at: 1_050).phase == .restoring)
        #expect(state(restored([1_000, 1_040]), at: 1_039).phase == .restoring)
        #expect(state(restored([1_000, 1_040]), at: 1_040).phase == .ended)
        // After the end by time as well.
        #expect(state(restored([7_220]), at: 7_230).phase == .ended)
    }

    @Test func `a ramp moves in equal steps, then is active until its end`() {
        let ramped = override { $0.ramp = ramp }
        let levels = [0, 119.999, 120, 240, 360, 480, 600, 7_199].map { state(ramped, at: $0).level.value }
        #expect(levels == [0, 0, 0.2, 0.4, 0.6, 0.8, 1, 1])
        #expect(state(ramped, at: 130).phase == .ramping && state(ramped, at: 130).step == 1)
        #expect(abs(state(ramped, at: 130).next?.timeIntervalSince(start) ?? 0 - 240) - 240 < 0.01)
        #expect(state(ramped, at: 600).phase == .active && state(ramped, at: 600).next == start + 7_200)
        #expect(state(ramped, at: 7_200).phase == .ended)
    }

    @Test func `a pause holds the step, and the end comes nevertheless`() {
        let paused = override([(200, .pause), (1_000, .resume)]) { $0.ramp = ramp }
        #expect(state(paused, at: 500).phase == .paused && state(paused, at: 500).level.value == 0.2)
        #expect(state(paused, at: 1_039).level.value == 0.2)
        #expect(state(paused, at: 1_040).level.value == 0.4)
        let forever = override([(200, .pause)]) { $0.ramp = ramp }
        #expect(state(forever, at: 7_199).phase == .paused && state(forever, at: 7_200).phase == .ended)
        #expect(state(forever, at: 300).next == start + 7_200)
    }

    @Test func `a revert returns from the level that was reached`() {
        let reverted = override([(300, .revert)]) {
            $0.ramp = ramp
            $0.restore = OverrideSpec.Ramp(over: "20s", steps: 2)
        }
        #expect(state(reverted, at: 299).level.value == 0.4)
        #expect(state(reverted, at: 300).phase == .restoring && state(reverted, at: 300).level.value == 0.4)
        #expect(state(reverted, at: 310).level.value == 0.2)
        #expect(state(reverted, at: 320).phase == .ended && state(reverted, at: 320).level == .zero)
    }

    @Test func `a start in the future is scheduled, and a revert before it ends all`() {
        let later = override { $0.start = start + 100 }
        #expect(state(later, at: 50).phase == .scheduled && state(later, at: 50).next == start + 100)
        #expect(state(later, at: 100).phase == .active)
        let never = override([(50, .revert)]) { $0.start = start + 100 }
        #expect(state(never, at: 60).phase == .ended && state(never, at: 200).level == .zero)
    }

    /// Two replicas that learn the same facts in any order come to the same result.
    @Test func `neither the order of transitions nor that of overrides matters`() {
        var random = SeededGenerator(seed: .random(in: 0...UInt64.max))
        for _ in 0..<500 {
            let kinds = Override.Transition.Kind.allCases
            let all = (0..<4).map { number in
                var one = override(
                    (0..<Int.random(in: 0...4, using: &random)).map { _ in
                        (Double(Int.random(in: 0...900, using: &random)), kinds.randomElement(using: &random) ?? .pause)
                    }
                ) {
                    $0.ramp = Bool.random(using: &random) ? ramp : nil
                    $0.restore = Bool.random(using: &random) ? OverrideSpec.Ramp(over: "1m", steps: 3) : nil
                    $0.shares = [
                        "c\(Int.random(in: 0...2, using: &random))": Double(Int.random(in: 0...100, using: &random))
                    ]
                }
                one.id = "o\(number)"
                return one
            }
            let parts = all.flatMap { one -> [Override] in
                let sets = [[]] + one.transitions.map { [$0] }
                return sets.map { transitions in
                    Override(
                        id: one.id, spec: one.spec, createdAt: one.createdAt, createdBy: one.createdBy,
                        transitions: transitions)
                }
            }
            var (left, right) = (OverrideBook(), OverrideBook())
            for part in parts.shuffled(using: &random) { left.merge(part) }
            for part in parts.shuffled(using: &random) + parts { right.merge(part) }
            for _ in 0..<20 {
                let time = start + Double(Int.random(in: 0...8_000, using: &random))
                #expect(Tunings(left, at: time) == Tunings(right, at: time))
                // Nothing changes before the announced time.
                if let next = left.next(after: time), next > time + 0.01 {
                    #expect(Tunings(left, at: time) == Tunings(left, at: next - 0.005))
                }
            }
        }
    }

    @Test func `fields that can't be used are named`() {
        let problems = { (change: (inout OverrideSpec) -> Void) in override([], change).spec.problems.map(\.pointer) }
        #expect(problems { _ in } == [])
        #expect(problems { $0.until = nil } == ["/until"])
        #expect(problems { $0.permanent = true } == ["/permanent"])
        #expect(problems { $0.reason = "x" } == ["/reason"])
        #expect(problems { $0.shares = ["west": 101] }.contains("/shares/west"))
        #expect(problems { $0.shares = ["west": 60, "east": 60] } == ["/shares"])
        #expect(problems { $0.shares = ["west": 0.001] } == ["/shares/west"])
        #expect(problems { $0.shares = ["west": .nan] } == ["/shares/west"])
        #expect(problems { $0.drain = OverrideSpec.Target(cluster: "west") } == [""])
        #expect(problems { $0.ramp = OverrideSpec.Ramp(over: "10s", steps: 5) } == ["/ramp/over"])
        #expect(problems { $0.ramp = OverrideSpec.Ramp(over: "99999999999999999999d", steps: 5) } == ["/ramp/over"])
        #expect(OverrideSpec.millionths("0.5") == 500_000 && OverrideSpec.millionths("101") == nil)
        #expect(OverrideSpec.millionths("1e3") == nil && OverrideSpec.millionths(".5") == nil)
    }
}
