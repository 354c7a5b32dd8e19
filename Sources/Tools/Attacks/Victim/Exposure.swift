import LoadClient
import Synchronization
import TestBench

/// What a server, honest clients and new clients experienced during an attack.
struct Exposure: Sendable {
    /// The limits; nil for figures without a limit.
    struct Bars: Sendable {
        /// The server's peak memory, in MB.
        var memory: Double?
        /// The 99th percentile of honest clients' delays, in seconds.
        var honestP99: Double? = 1
        /// The longest delay of honest clients, in seconds.
        ///
        /// Without it, only changes that exceed the victim's `patience` count as missed.
        var honestMost: Double?
        /// The time for a new client during the attack, in seconds.
        var newClient: Double?
        /// The time for a new client after the attack, in seconds.
        var newClientAfter: Double? = 10
    }

    /// The attack ends if the server uses more memory than this.
    private static let ceilingBytes = 1_600 << 20

    var honest = HonestClients.Report()
    /// For each new client during the attack, the time from connecting to the first response; nil if none came.
    var newClients: [Duration?] = []
    var newClientAfter: Duration?
    var peakMB = 0.0
    var beforeMB = 0.0
    /// Some seconds after the attack.
    var afterMB = 0.0
    var cpuSeconds = 0.0
    var logBytes = 0
    var seconds = 0.0
    var isAlive = true
    /// Whether the attack was ended early because the server exceeded the memory ceiling.
    var isCutShort = false

    /// Attacks a server while honest clients listen.
    ///
    /// - Parameters:
    ///   - services: services besides `honest` in the file of `home`, with their addresses.
    ///   - limit: the time limit for new clients during the attack; nil for the victim's `patience`.
    static func measure(
        _ victim: Victim, services: [String: [String]] = [:], newClientsWithin limit: Duration? = nil,
        _ attack: @escaping @Sendable () async throws -> Void
    ) async throws -> Exposure {
        let honest = HonestClients(victim, services: services)
        let listening = Task { await honest.listen() }
        let changing = Task { await honest.change() }
        defer {
            listening.cancel()
            changing.cancel()
        }
        try await honest.warmUp()
        var exposure = Exposure()
        let before = victim.usage
        let logBefore = victim.logBytes
        let watch = MemoryWatch()
        let start = ContinuousClock.now
        let isOver = Shared(false)
        let probing = Task { await probe(victim, within: limit ?? victim.patience, isOver) }
        let attacking = Task { try await attack() }
        let watching = Task { await watch.follow(victim, ceiling: ceilingBytes) { attacking.cancel() } }
        let outcome = await attacking.result
        exposure.seconds = (ContinuousClock.now - start) / .seconds(1)
        watching.cancel()
        isOver.change { $0 = true }
        exposure.newClients = await probing.value
        exposure.newClientAfter = await HonestClients.firstAnswer(from: victim, within: victim.patience * 3)
        changing.cancel()
        await changing.value
        await honest.settle()
        exposure.honest = honest.report
        exposure.isAlive = victim.isRunning
        watch.note(victim)
        exposure.peakMB = watch.peakMB
        exposure.beforeMB = Self.megabytes(before?.residentBytes)
        exposure.afterMB = Self.megabytes(victim.usage?.residentBytes)
        exposure.cpuSeconds = (victim.usage?.cpuSeconds ?? watch.cpuSeconds) - (before?.cpuSeconds ?? 0)
        exposure.logBytes = victim.logBytes - logBefore
        exposure.isCutShort = watch.isOver
        if !exposure.isCutShort, exposure.isAlive { try outcome.get() }
        listening.cancel()
        await listening.value
        return exposure
    }

    /// Starts new clients one after the other until the attack is over; the last one may outlast the attack.
    private static func probe(_ victim: Victim, within limit: Duration, _ isOver: Shared<Bool>) async -> [Duration?] {
        var times: [Duration?] = []
        while !isOver.value {
            times.append(await HonestClients.firstAnswer(from: victim, within: limit))
            try? await Task.sleep(for: .milliseconds(300))
        }
        return times
    }

    static func megabytes(_ bytes: Int?) -> Double { Double(bytes ?? 0) / 1_048_576 }

    /// The figures common to all attacks.
    func figures(_ bars: Bars) -> [Figure] {
        let answered = newClients.compactMap(\.self)
        let slowest = answered.count == newClients.count ? answered.max().map { $0 / .seconds(1) } : nil
        var figures = [
            Figure("alive", isTrue: isAlive),
            Figure("peak RSS", peakMB, "MB", most: bars.memory),
            Figure("honest p50", honest.delay?.p50, "ms"),
            Figure("honest p99", honest.delay?.p99, "ms", most: bars.honestP99.map { $0 * 1_000 }),
            Figure("honest max", honest.delay?.max, "ms", most: bars.honestMost.map { $0 * 1_000 }),
            Figure("missed of \(honest.changes)", Double(honest.missed), "", most: 0),
        ]
        if !newClients.isEmpty {
            figures.append(Figure("slowest of \(newClients.count) new clients", slowest, "s", most: bars.newClient))
        }
        figures += [
            Figure(
                "new client afterwards", newClientAfter.map { $0 / .seconds(1) }, "s", most: bars.newClientAfter),
            Figure("CPU", cpuSeconds, "s"), Figure("log", Double(logBytes) / 1_000, "kB"),
            Figure("attack", seconds, "s"),
        ]
        if isCutShort { figures.append(Figure("cut short by memory", "yes")) }
        return figures
    }
}

/// Records a server's peak memory, even if it is killed.
private final class MemoryWatch: Sendable {
    private struct State {
        var peak = 0
        var cpuSeconds = 0.0
        var isOver = false
    }

    private let state = Mutex(State())

    var peakMB: Double { Exposure.megabytes(state.withLock { $0.peak }) }
    var cpuSeconds: Double { state.withLock { $0.cpuSeconds } }
    var isOver: Bool { state.withLock { $0.isOver } }

    /// Checks every 50 ms until cancelled.
    ///
    /// Calls `stop` once, if the server exceeds the ceiling or has ended.
    func follow(_ victim: Victim, ceiling: Int, _ stop: @Sendable () -> Void) async {
        var hasStopped = false
        while !Task.isCancelled {
            let resident = note(victim)
            if resident > ceiling { state.withLock { $0.isOver = true } }
            if !hasStopped, resident > ceiling || !victim.isRunning {
                stop()
                hasStopped = true
            }
            try? await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Records and returns the server's current memory.
    @discardableResult
    func note(_ victim: Victim) -> Int {
        guard let usage = victim.usage else { return 0 }
        state.withLock { state in
            state.peak = max(state.peak, usage.peakBytes)
            state.cpuSeconds = max(state.cpuSeconds, usage.cpuSeconds)
        }
        return usage.residentBytes
    }
}
