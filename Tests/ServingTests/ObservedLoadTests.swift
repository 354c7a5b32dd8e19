import EnvoyAPI
import Model
@testable import Serving
import Testing

/// What clients report is hostile input.
@Suite struct ObservedLoadTests {
    private func load(successes: UInt64, errors: UInt64, times: Int = 1) -> ObservedLoad {
        var tally = Tally()
        for _ in 0..<times {
            var load = LoadReport.Load()
            (load.successes, load.errors) = (successes, errors)
            tally.add(load, over: .seconds(5))
        }
        return ObservedLoad(window: .seconds(30), targets: [.cluster("west"): tally])
    }

    @Test func `counts as great as numbers can be are added up and compared`() {
        #expect(load(successes: 0, errors: .max, times: 3).fails(.cluster("west")))
        #expect(!load(successes: .max, errors: .max, times: 3).fails(.cluster("west")))
        #expect(load(successes: 1 << 62, errors: 1 << 63).fails(.cluster("west")))
        #expect(load(successes: .max, errors: .max).targets[.cluster("west")]?.ended == .max)
    }

    @Test func `few requests, and half of many, are no failure`() {
        #expect(!load(successes: 0, errors: 19).fails(.cluster("west")))
        #expect(load(successes: 0, errors: 20).fails(.cluster("west")))
        #expect(!load(successes: 50, errors: 50).fails(.cluster("west")))
        #expect(load(successes: 49, errors: 50).fails(.cluster("west")))
        #expect(!load(successes: 0, errors: 50).fails(.cluster("east")))
    }
}
