import LoadClient
import Synchronization
import TestBench

/// What a server, honest clients and new ones went through during an attack.
struct Exposure: Sendable {
    /// What must be seen; nil for what only informs.
    struct Bars: Sendable {
        /// In MB.
        var memory: Double?
        /// The 99th percentile of honest clients' delays, in seconds.
        var honestP99: Double? = 1
        /// The longest delay, in seconds; by itself a change is missed after the victim's `patience` only.
        var honestMost: Double?
        /// New clients during the attack, in seconds.
        var newClient: Double?
        /// A new client after it, in seconds.
        var newClientAfter: Double? = 10
    }

    /// The server's memory is watched; an attack ends where it takes more.
    private static let ceilingBytes = 1_600 << 20

    var honest = HonestClients.Report()
    /// During the attack, each from connect to the first answer; nil for those that waited in vain.
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
    /// Whether it was ended early, since the server took all the memory that it was allowed.
    var isCutShort = false

    /// Exposes a server to an attack while honest clients listen.
    ///
    /// - Parameters:
    ///   - services: those besides `honest` in the file of `home`, each with its addresses.
    ///   - limit: for a new client during the attack; nil for the victim's `patience`.
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

    /// New clients one after the other, until the attack is over; the last one may wait on.
    private static func probe(_ victim: Victim, within limit: Duration, _ isOver: Shared<Bool>) async -> [Duration?] {
        var times: [Duration?] = []
        while !isOver.value {
            times.append(await HonestClients.firstAnswer(from: victim, within: limit))
            try? await Task.sleep(for: .milliseconds(300))
        }
        return times
    }

    static func megabytes(_ bytes: Int?) -> Double { Double(bytes ?? 0) / 1_048_576 }

    /// The figures that all attacks have.
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

/// The most memory that a server had, also after it was killed.
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

    /// Looks every 50 ms until it is cancelled; calls `stop` once where there is too much, or the server has ended.
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

    /// The memory that it has now.
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
