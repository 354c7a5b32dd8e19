import EnvoyAPI
import GRPCTransport
import Synchronization
import XDS

/// Runs a plan: opens all streams, makes changes, and counts.
public final class LoadRun: Sendable {
    /// How changes are made once all streams are in sync.
    public enum Pace: Hashable, Sendable {
        /// No changes; only listen.
        case none
        /// One change after the other, each when every subscriber has the last one.
        case rounds(Int)
        /// A constant rate for a number of seconds, whether or not the changes arrive.
        case rate(perSecond: Double, seconds: Double)
    }

    /// How a change is made.
    public enum Trigger: Sendable {
        /// By a new endpoints file, renamed over the old one.
        case file(LoadedServices)
        /// By a closure that receives a service's number, prepares a change, and returns what makes it.
        case prepared(@Sendable (Int) async throws -> @Sendable () async throws -> Void)
        /// By a closure that receives a service's number, and returns when the change has been requested.
        case other(@Sendable (Int) async throws -> Void)
    }

    private let plan: LoadPlan
    private let meter: LoadMeter
    private let client: Client<SimulatedClient>
    private let trigger: Trigger?
    private let server: Int?
    private let progress: @Sendable (String) -> Void
    /// Whether lost streams are opened again.
    private let isOpen = Mutex(true)
    /// The limit on streams that wait for their first response during the start.
    private static let opening = 200

    /// - Parameters:
    ///   - trigger: nil if no changes are made.
    ///   - server: the server's process ID on this machine, to measure its CPU time and memory.
    ///   - progress: called about once a second with a readable line.
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

    /// No server responded.
    public struct NoAnswer: Error, CustomStringConvertible {
        /// The server's address, and the timeout.
        public let description: String
    }

    /// Runs the plan.
    ///
    /// - Parameters:
    ///   - patience: the time limit for all streams to be in sync, and for all of them to receive the last change.
    ///   - listening: how long to continue at the end, unless the task is cancelled.
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
            // The server's remaining work for the first responses must not count as a cost of changes.
            if pace != .none { try? await Task.sleep(for: .seconds(1)) }
            report.changes = try await makeChanges(pace, patience: patience)
            try? await Task.sleep(for: listening)
            isOpen.withLock { $0 = false }
            if let idle, let usage {
                // The server may have ended meanwhile.
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
            // Continue even if the server responds slowly or only to some streams.
            await wait(upTo: .seconds(1)) { number - self.meter.totals.synced < Self.opening }
            await open(number, nil)
        }
    }

    private func open(_ number: Int, _ memory: SimulatedClient.Memory?) async {
        await client.open(plan.method.path, on: number % plan.connections) { [plan, meter] in
            SimulatedClient(number, of: plan, meter, memory) { memory in self.lose(number, memory) }
        }
    }

    /// Opens a lost stream again after a delay.
    private func lose(_ number: Int, _ memory: SimulatedClient.Memory) {
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
                var next = trigger
                if case .prepared(let prepare) = trigger {
                    let make = try await prepare(service)
                    next = .other { _ in try await make() }
                }
                let start = ContinuousClock.now
                try await change([service], by: &next)
                if case .file = next { trigger = next }
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
        case .prepared(let prepare):
            for service in services {
                _ = meter.noteChange(of: service)
                try await prepare(service)()
            }
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

    /// Reports progress once a second until the task is cancelled.
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
