import Analysis
import Foundation
import Model
import Overrides
import Serving
import Snapshots
import Testing
import TestSupport

private let start = Date(timeIntervalSince1970: 1_000_000)

/// Clients that report every five seconds, with a Poisson number of errors.
private struct Traffic {
    var reports: [(time: Date, requests: UInt64, errors: UInt64)] = []

    mutating func report(at time: Date, requests: Int, rate: Double, _ random: inout SeededGenerator) {
        var (errors, left) = (UInt64(0), exp(-Double(requests) * rate))
        var product = Double.random(in: 0..<1, using: &random)
        while product > left {
            errors += 1
            product *= Double.random(in: 0..<1, using: &random)
        }
        left = 0
        reports.append((time, UInt64(requests), errors))
        if reports.count > 20 { reports.removeFirst() }
    }

    func evidence(since: Date) -> [String: Evidence] {
        let found = reports.filter { $0.time > since }
        let rate = ErrorRate(
            errors: found.reduce(0) { $0 + $1.errors }, of: found.reduce(0) { $0 + $1.requests })
        return ["s": Evidence(errors: rate)]
    }
}

/// When an override stops by itself.
@Suite struct AbortTests {
    @Test func `a sample proves an error rate only as far as its size allows`() {
        #expect(abs(ErrorRate(errors: 2, of: 100).lowerBound - 0.0055) < 0.0001)
        #expect(abs(ErrorRate(errors: 3, of: 100).lowerBound - 0.0103) < 0.0001)
        #expect(ErrorRate(errors: 0, of: 0).lowerBound == 0 && ErrorRate(errors: 9, of: 9).lowerBound < 1)
    }

    /// 24 hours at 0.5 % errors, with a limit of 1 %; the requests in five seconds vary from few to many.
    @Test(arguments: [20, 35, 50, 100, 400, 2_000])
    func `a day of noise below the limit stops nothing`(_ requests: Int) {
        var random = SeededGenerator(seed: UInt64(requests))
        var traffic = Traffic()
        var judge = AbortJudge(AbortConditions(errors: AbortConditions.Errors(above: "1%")), baseline: [:])
        for second in stride(from: 0, to: 86_400, by: 1) {
            let now = start + Double(second)
            if second % 5 == 0 { traffic.report(at: now, requests: requests, rate: 0.005, &random) }
            guard second % 2 == 0 else { continue }
            let verdict = judge.judge(at: now, since: start, traffic.evidence)
            #expect(verdict == nil, "after \(second) s")
            if verdict != nil { return }
        }
    }

    @Test(arguments: [400, 1_000, 2_000])
    func `errors above the limit stop it within 15 seconds`(_ requests: Int) {
        for seed in UInt64(0)..<50 {
            var random = SeededGenerator(seed: seed)
            var traffic = Traffic()
            var judge = AbortJudge(AbortConditions(errors: AbortConditions.Errors(above: "1%")), baseline: [:])
            var stopped: Int?
            for second in -60..<60 {
                let now = start + Double(second)
                if second % 5 == 0 {
                    traffic.report(at: now, requests: requests, rate: second > 0 ? 0.05 : 0.005, &random)
                }
                // The step that brings the errors takes effect at second 0.
                let step = second < 0 ? start - 60 : start
                if second % 2 == 0, judge.judge(at: now, since: step, traffic.evidence) != nil {
                    stopped = second
                    break
                }
            }
            #expect((1...15).contains(stopped ?? -1), "seed \(seed)")
        }
    }

    @Test func `one burst of errors stops nothing, and two in a row do`() {
        var judge = AbortJudge(AbortConditions(errors: AbortConditions.Errors(above: "1%")), baseline: [:])
        let bad = ["s": Evidence(errors: ErrorRate(errors: 20, of: 400))]
        let good = ["s": Evidence(errors: ErrorRate(errors: 1, of: 400))]
        #expect(judge.judge(at: start, since: start - 10) { _ in bad } == nil)
        #expect(judge.judge(at: start + 4, since: start - 10) { $0 == start ? good : bad } == nil)
        #expect(judge.judge(at: start + 6, since: start - 10) { _ in bad } == nil)
        let verdict = judge.judge(at: start + 10, since: start - 10) { _ in bad }
        #expect(verdict == "errors 5 % in s (20 of 400, at least 2.86 %), limit 1 %")
    }

    @Test func `latency, reported metrics and multiples of the time before are limits, too`() {
        let baseline = ["s": Evidence(errors: ErrorRate(errors: 4, of: 1_000), latency: 0.01)]
        func verdict(_ conditions: AbortConditions, _ found: Evidence) -> String? {
            var judge = AbortJudge(conditions, baseline: baseline)
            _ = judge.judge(at: start, since: start - 10) { _ in ["s": found] }
            return judge.judge(at: start + 5, since: start - 10) { _ in ["s": found] }
        }
        let enough = ErrorRate(errors: 10, of: 1_000)
        let slow = Evidence(errors: enough, latency: 0.02, metrics: ["cpu_utilization": 0.95])
        #expect(verdict(AbortConditions(latency: .init(times: 1.5)), slow)?.contains("latency 20 ms in s") == true)
        #expect(verdict(AbortConditions(latency: .init(times: 2.5)), slow) == nil)
        #expect(
            verdict(AbortConditions(metrics: ["cpu_utilization": 0.9]), slow) == "cpu_utilization 0.95 in s, limit 0.9")
        #expect(verdict(AbortConditions(errors: .init(times: 2)), slow) == nil, "1 % proves 0.54 %")
        let failing = Evidence(errors: ErrorRate(errors: 30, of: 1_000))
        #expect(
            verdict(AbortConditions(errors: .init(times: 2)), failing)?.contains("more than 2 times the 0.4 %") == true)
    }

    @Test func `without enough reports a ramp waits, unless it is told not to`() {
        let thin = ["west": Evidence(errors: ErrorRate(errors: 0, of: 10))]
        let judge = AbortJudge(AbortConditions(errors: .init(above: "1%"), requests: 50), baseline: [:])
        #expect(judge.missing(in: thin, for: ["west"])?.contains("only 10 requests to west") == true)
        #expect(judge.missing(in: ["west": Evidence(errors: ErrorRate(errors: 0, of: 50))], for: ["west"]) == nil)
        let careless = AbortJudge(AbortConditions(errors: .init(above: "1%"), noData: .ignore), baseline: [:])
        #expect(careless.missing(in: [:], for: ["west"]) == nil)
    }

    @Test func `a step waits for clients that reject the last one, or don't have it`() {
        let view = ClientView(cluster: "east", kind: .plain)
        let synced = Delivery(node: "a", view: view, state: .synced)
        #expect(StepGate.obstacle([synced]) == nil && StepGate.obstacle([]) == nil)
        let rejecting = Delivery(node: "b", view: view, state: .nacked, message: "no")
        #expect(StepGate.obstacle([synced, rejecting]) == "b rejects the endpoints: \"no\"")
        let slow = Delivery(node: "c", view: view, state: .pending)
        #expect(StepGate.obstacle([synced, slow]) == "1 of 2 clients have the last step; c is PENDING")
    }

    @Test func `observed shares fit within three points or the noise`() {
        let intended: [ClusterName: Double] = ["east": 0.8, "west": 0.2]
        #expect(StepGate.deviation(intended: intended, observed: ["east": 780, "west": 220]) == nil)
        #expect(StepGate.deviation(intended: intended, observed: ["east": 7, "west": 3]) == nil)
        #expect(
            StepGate.deviation(intended: intended, observed: ["east": 600, "west": 400])
                == "east gets 60 % of the requests instead of 80 %")
        #expect(StepGate.deviation(intended: intended, observed: [:]) == nil)
    }
}
