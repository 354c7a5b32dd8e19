import Balancing
import Foundation
import Model

/// All scenes of the bench, with each protocol, and with one and two worker threads.
public struct Story: Sendable {
    let bench: Bench
    private let say: @Sendable (String) -> Void

    /// Creates a story on a bench that hasn't been started.
    ///
    /// - Parameter say: receives lines about the progress.
    public init(_ bench: Bench, say: @escaping @Sendable (String) -> Void) {
        self.bench = bench
        self.say = say
    }

    /// Runs the scenes; the bench keeps running afterwards.
    public func play(
        _ scenes: [Scene] = Scene.all, upstreams: [Bench.UpstreamProtocol] = Bench.UpstreamProtocol.allCases,
        workers: [Int] = [1, 2]
    ) async throws -> [Report.Scene] {
        try await Stage.prepare(bench)
        var reports: [Report.Scene] = []
        let count = scenes.count * upstreams.count * workers.count
        for upstream in upstreams {
            for workers in workers {
                let stage = Stage(bench, upstream, workers: workers)
                for scene in scenes {
                    let report = try await scene.play(stage, scene.title)
                    reports.append(report)
                    say("[\(reports.count)/\(count)] \(report.line)")
                }
            }
        }
        return reports
    }

    /// Changes an endpoints file repeatedly, and measures the time from each rename until the client has applied the
    /// change.
    public func measureChanges(_ count: Int = 100) async throws -> Report.Latency {
        try await Stage(bench, .http2, workers: 2).open(Plan(.pods), east: ["e1", "e2"], west: ["w1"])
        var durations: [Duration] = []
        let clock = ContinuousClock()
        for change in 0..<count {
            let updates = try await bench.client.stat("cluster.httpbin.update_success")
            let pods = try ["e1", "e2"].map { name in
                var pod = try bench.pod(name)
                if name == "e2", let weight = Weight(change % 2 + 2) { pod.weight = weight }
                return pod
            }
            let start = clock.now
            try bench.publish(pods, in: "east")
            try await eventually(every: .milliseconds(1), "the client applies change \(change)") {
                try await bench.client.stat("cluster.httpbin.update_success") > updates
            }
            durations.append(clock.now - start)
        }
        return Report.Latency(durations)
    }

    /// Adds a remote pod repeatedly under load, and measures the time from the change of the endpoints file to the
    /// pod's first response.
    public func measureFirstRequests(_ count: Int = 20) async throws -> Report.Latency {
        let plan = Plan(.pods)
        let stage = Stage(bench, .http2, workers: 2)
        try await stage.open(plan, east: ["e1", "e2"], west: ["w1"])
        let clock = ContinuousClock()
        let durations = Durations()
        _ = try await Load(bench).around(pause: .milliseconds(1)) { load in
            for _ in 0..<count {
                let before = load.result.byPod["w2"] ?? 0
                let start = clock.now
                try bench.publish(["w1", "w2"].map(bench.pod), in: "west")
                try await eventually(every: .milliseconds(1), "w2 answers") {
                    (load.result.byPod["w2"] ?? 0) > before
                }
                await durations.add(clock.now - start)
                try await stage.scale("west", to: ["w1"], plan)
            }
        }
        return Report.Latency(await durations.all)
    }
}

private actor Durations {
    private(set) var all: [Duration] = []

    func add(_ duration: Duration) { all.append(duration) }
}

extension Report.Scene {
    /// One line, for progress.
    fileprivate var line: String {
        let shares = measured.sorted { $0.key < $1.key }.map { pod, count in
            "\(pod) \(count) (\(Int((ideal[pod] ?? 0).rounded())))"
        }
        return
            "\(`protocol`), \(workers) worker\(workers == 1 ? "" : "s"), \(name): \(shares.joined(separator: "  "))  "
            + "failed \(failed)  connections \(connections)"
    }
}
