import EnvoyAPI
import GRPCTransport
import Synchronization
import XDS

/// Plays a plan: connects all streams, makes changes, and counts.
public final class LoadRun: Sendable {
    /// How changes are made, once all streams are in sync.
    public enum Pace: Hashable, Sendable {
        /// None: just listen.
        case none
        /// One after the other, each when every subscriber has the last.
        case rounds(Int)
        /// So many a second, for so many seconds, whatever becomes of them.
        case rate(perSecond: Double, seconds: Double)
    }

    /// What makes a change.
    public enum Trigger: Sendable {
        /// A new endpoints file, renamed over the old one.
        case file(LoadedServices)
        /// Something else that is told a service's number, and returns when it has been.
        case other(@Sendable (Int) async throws -> Void)
    }

    private let plan: LoadPlan
    private let meter: LoadMeter
    private let client: Client<LoadStream>
    private let trigger: Trigger?
    private let server: Int?
    private let progress: @Sendable (String) -> Void
    /// Whether lost streams are opened again.
    private let isOpen = Mutex(true)
    /// Streams that may be without their first answer at the start.
    private static let opening = 200

    /// - Parameters:
    ///   - trigger: nil where no changes are made.
    ///   - server: the server's process on this machine, to account for.
    ///   - progress: called about once a second with a line for people.
    public init(
        _ plan: LoadPlan, trigger: Trigger?, server: Int? = nil, progress: @escaping @Sendable (String) -> Void
    ) throws {
        self.plan = plan
        self.trigger = trigger
        self.server = server
        self.progress = progress
        var tellsByWeight = false
        if case .file = trigger { tellsByWeight = true }
        meter = LoadMeter(services: plan.names.count, tellsByWeight: tellsByWeight)
        client = try Client(
            address: plan.server, security: plan.security, connections: plan.connections, queues: 2)
    }

    /// No server answered.
    public struct NoAnswer: Error, CustomStringConvertible {
        /// Which, and how long it was waited for.
        public let description: String
    }

    /// Plays it.
    ///
    /// - Parameters:
    ///   - patience: how long to wait for everyone to be in sync, and for everyone to have the last change.
    ///   - listening: how long to go on in the end, or until the task is cancelled.
    public func play(_ pace: Pace, patience: Duration, listening: Duration) async throws -> LoadReport {
        let start = ContinuousClock.now
        let idle = server.flatMap(ProcessUsage.init)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await self.tell(since: start) }
            defer { group.cancelAll() }
            await openAll(until: start + patience)
            await wait(upTo: patience - (ContinuousClock.now - start)) { self.meter.totals.synced == self.plan.streams }
            guard meter.totals.responses > 0 else {
                await client.shutdown()
                throw NoAnswer(
                    description: "nobody answers at \(plan.server) within \(patience): is a server running there?")
            }
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            let synced = meter.totals
            let usage = server.flatMap(ProcessUsage.init)
            var report = LoadReport(
                streams: plan.streams, namesPerStream: plan.namesPerStream, variant: plan.variant.rawValue,
                isAggregated: plan.isAggregated, usesLEDS: plan.usesLEDS,
                sync: LoadReport.Sync(
                    seconds: seconds.rounded(to: 3), streams: synced.synced, bytes: synced.bytes,
                    resources: synced.resources,
                    serverCPUSeconds: idle.flatMap { idle in
                        usage.map { ($0.cpuSeconds - idle.cpuSeconds).rounded(to: 2) }
                    }
                ), losses: 0, bytes: 0)
            // What the server still does about the first answers is no change's cost.
            if pace != .none { try? await Task.sleep(for: .seconds(1)) }
            report.changes = try await makeChanges(pace, patience: patience)
            try? await Task.sleep(for: listening)
            isOpen.withLock { $0 = false }
            if let idle, let usage {
                // It may have ended meanwhile.
                let end = server.flatMap(ProcessUsage.init) ?? usage
                let megabytes = { (bytes: Int) in (Double(bytes) / 1_048_576).rounded(to: 1) }
                report.serverMemory = LoadReport.Memory(
                    idle: megabytes(idle.residentBytes), synced: megabytes(usage.residentBytes),
                    syncedPrivate: megabytes(usage.privateBytes), peak: megabytes(end.peakBytes))
            }
            report.losses = meter.totals.losses
            report.bytes = meter.totals.bytes
            await client.shutdown()
            return report
        }
    }

    // MARK: Streams

    private func openAll(until end: ContinuousClock.Instant) async {
        for number in 0..<plan.streams where ContinuousClock.now < end {
            // A server that answers slowly, or not all, is asked more all the same.
            await wait(upTo: .seconds(1)) { number - self.meter.totals.synced < Self.opening }
            await open(number, nil)
        }
    }

    private func open(_ number: Int, _ memory: LoadStream.Memory?) async {
        await client.open(plan.method.path, on: number % plan.connections) { [plan, meter] in
            LoadStream(number, of: plan, meter, memory) { memory in self.lose(number, memory) }
        }
    }

    /// Opens a lost stream again, after a while.
    private func lose(_ number: Int, _ memory: LoadStream.Memory) {
        guard isOpen.withLock({ $0 }) else { return }
        meter.noteLoss()
        Task {
            try? await Task.sleep(for: .milliseconds(Int.random(in: 50...250)))
            await open(number, memory)
        }
    }

    // MARK: Changes

    private func makeChanges(_ pace: Pace, patience: Duration) async throws -> LoadReport.Changes? {
        guard var trigger, pace != .none else { return nil }
        let before = (totals: meter.totals, usage: server.flatMap(ProcessUsage.init), time: ContinuousClock.now)
        let subscribers = plan.subscribers
        var lasts: [Duration] = []
        var (count, expected) = (0, 0)
        switch pace {
        case .none: break
        case .rounds(let rounds):
            for round in 0..<rounds {
                let service = round % plan.names.count
                let start = ContinuousClock.now
                try await change([service], by: &trigger)
                count += 1
                expected += subscribers[service]
                await wait(upTo: patience) { self.meter.totals.receipts - before.totals.receipts >= expected }
                lasts.append(ContinuousClock.now - start)
                try? await Task.sleep(for: .milliseconds(100))
            }
        case .rate(let rate, let seconds):
            let start = ContinuousClock.now
            let end = start + .seconds(seconds)
            while ContinuousClock.now < end, !Task.isCancelled {
                let due = Int((ContinuousClock.now - start) / .seconds(1) * rate)
                let services = (count..<max(due, count)).map { $0 * 7919 % plan.names.count }
                try await change(services, by: &trigger)
                count += services.count
                expected += services.reduce(0) { $0 + subscribers[$1] }
                try? await Task.sleep(for: .milliseconds(2))
            }
            await wait(upTo: patience) { self.meter.totals.receipts - before.totals.receipts >= expected }
        }
        let (after, usage) = (meter.totals, server.flatMap(ProcessUsage.init))
        let seconds = (ContinuousClock.now - before.time) / .seconds(1)
        let responses = after.responses - before.totals.responses
        let cpu = before.usage.flatMap { before in usage.map { $0.cpuSeconds - before.cpuSeconds } }
        return LoadReport.Changes(
            count: count, receipts: after.receipts - before.totals.receipts,
            missing: expected - (after.receipts - before.totals.receipts), latency: Percentiles(meter.latencies),
            last: Percentiles(lasts), responses: responses,
            bytesPerResponse: (Double(after.bytes - before.totals.bytes) / Double(max(responses, 1))).rounded(to: 1),
            resourcesPerSecond: (Double(after.resources - before.totals.resources) / seconds).rounded(),
            bytesPerSecond: (Double(after.bytes - before.totals.bytes) / seconds).rounded(),
            serverCPUMicroseconds: cpu.map { ($0 * 1_000_000 / Double(max(responses, 1))).rounded(to: 1) })
    }

    private func change(_ services: [Int], by trigger: inout Trigger) async throws {
        guard !services.isEmpty else { return }
        switch trigger {
        case .file(var file):
            for service in services { file.change(service, to: meter.noteChange(of: service)) }
            try file.save()
            trigger = .file(file)
        case .other(let make):
            for service in services {
                _ = meter.noteChange(of: service)
                try await make(service)
            }
        }
    }

    private func wait(upTo patience: Duration, for condition: () -> Bool) async {
        let end = ContinuousClock.now + patience
        while !condition(), ContinuousClock.now < end, !Task.isCancelled {
            try? await Task.sleep(for: .microseconds(500))
        }
    }

    /// Tells how it goes, once a second, until the task is cancelled.
    private func tell(since start: ContinuousClock.Instant) async {
        var last = meter.totals
        while (try? await Task.sleep(for: .seconds(1))) != nil {
            let now = meter.totals
            let seconds = Int((ContinuousClock.now - start) / .seconds(1))
            progress(
                """
                \(seconds) s: \(now.synced) of \(plan.streams) in sync, \(now.responses - last.responses) responses, \
                \(now.resources - last.resources) resources, \(now.bytes - last.bytes) bytes in the last second
                """ + (now.losses > last.losses ? ", \(now.losses - last.losses) streams lost" : ""))
            last = now
        }
    }
}
