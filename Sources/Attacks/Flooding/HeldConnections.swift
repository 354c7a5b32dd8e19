import NIOCore
import TestBench

/// TCP connections that say a few bytes or nothing, and wait.
struct HeldConnections: Sendable {
    var target: RawTarget
    var count: Int
    /// What each of them says; by its number.
    var says: @Sendable (Int) -> ByteBuffer? = { _ in nil }

    /// What became of them.
    struct Outcome: Sendable {
        /// Those that were established.
        var opened = 0
        /// Those that the server ended while they were held.
        var ended = 0
        /// Until the server had ended the last of them; nil where some stayed.
        var untilAllEnded: Duration?
    }

    /// Holds them for that long, or until the server has ended all of them, and ends the rest.
    func hold(for duration: Duration) async -> Outcome {
        let outcome = Shared(Outcome())
        let start = ContinuousClock.now
        let attempts = Shared(0)
        let holding = Task {
            await withTaskGroup { group in
                for number in 0..<count {
                    group.addTask {
                        defer { attempts.add(1) }
                        try? await RawConnection.open(to: target) { connection in
                            outcome.change { $0.opened += 1 }
                            if let bytes = says(number) { try await connection.write(bytes) }
                            defer { if !Task.isCancelled { outcome.change { $0.ended += 1 } } }
                            for try await _ in connection.inbound {}
                        }
                    }
                    // All at once would only fill the backlog.
                    if number % 50 == 49 { try? await Task.sleep(for: .milliseconds(5)) }
                }
            }
        }
        let end = start + duration
        while ContinuousClock.now < end, !Task.isCancelled, attempts.value < count {
            try? await Task.sleep(for: .milliseconds(50))
        }
        var result = outcome.value
        if result.ended == result.opened { result.untilAllEnded = ContinuousClock.now - start }
        holding.cancel()
        await holding.value
        return result
    }
}

/// More TCP connections than the server may have files open, and then none (CVE-2023-4785).
struct DescriptorExhaustion: Attack {
    let name = "descriptors"
    let summary = "400 TCP connections to a server that may have 256 files open, held, and then all gone"
    let bar = "a new client within 10 s"

    func play(on stage: AttackStage) async throws -> [Figure] {
        try await stage.withVictim(in: stage.makeDirectory(name), VictimConfiguration(), openFiles: 256) { victim in
            let target = try RawTarget(victim)
            let hold = stage.scale.duration(10, short: 4)
            let opened = Shared(0)
            let exposure = try await Exposure.measure(victim) {
                opened.add(await HeldConnections(target: target, count: 400).hold(for: hold).opened)
            }
            let answer = await victim.get("/healthz")
            return exposure.figures(Exposure.Bars(honestP99: nil, newClientAfter: 10)) + [
                Figure("connections", Double(opened.value), ""),
                Figure("/healthz afterwards", answer.map { "\($0.status)" } ?? "none"),
            ]
        }
    }
}

/// Half requests to the admin API.
struct AdminHalfRequests: Attack {
    let name = "admin-half-requests"
    let summary = "3,000 connections to the admin API, each with half a request"
    let bar = "all ended within 30 s; the admin API and new clients answer within 2 s"

    func play(on stage: AttackStage) async throws -> [Figure] {
        try await stage.withVictim(in: stage.makeDirectory(name), VictimConfiguration()) { victim in
            let target = try RawTarget(victim, port: victim.adminPort)
            let count = stage.scale.count(3_000, short: 1_000)
            let hold = stage.scale.duration(30, short: 30)
            let outcome = Shared(HeldConnections.Outcome())
            let slowest = Shared<Duration?>(.zero)
            let isOver = Shared(false)
            let exposure = try await Exposure.measure(victim) {
                let asking = Task {
                    while !isOver.value {
                        try? await Task.sleep(for: .milliseconds(500))
                        let start = ContinuousClock.now
                        let answer = await victim.get("/healthz")
                        slowest.change { slowest in
                            slowest = answer == nil ? nil : slowest.map { max($0, ContinuousClock.now - start) }
                        }
                    }
                }
                let held = HeldConnections(target: target, count: count) { _ in
                    ByteBuffer(string: "GET /v1/services HTTP/1.1\r\nHost: ")
                }
                let result = await held.hold(for: hold)
                outcome.change { $0 = result }
                isOver.change { $0 = true }
                await asking.value
            }
            let result = outcome.value
            return exposure.figures(Exposure.Bars(memory: 300, newClient: 2)) + [
                Figure("connections", Double(result.opened), ""),
                Figure("ended by the server", Double(result.ended), ""),
                Figure(
                    "until all were ended", result.untilAllEnded.map { $0 / .seconds(1) }, "s", most: 30),
                Figure("slowest /healthz", slowest.value.map { $0 / .seconds(1) }, "s", most: 2),
            ]
        }
    }
}

/// Connections to the xDS server that don't speak HTTP/2.
struct SilentConnections: Attack {
    var isTLS: Bool

    var name: String { isTLS ? "silent-tls" : "silent" }
    var summary: String {
        isTLS
            ? "600 connections that say nothing, or half a TLS handshake"
            : "600 connections that say nothing, or half of HTTP/2's preface"
    }
    let bar = "all ended within 30 s; new clients < 2 s, honest p99 < 1 s"

    func play(on stage: AttackStage) async throws -> [Figure] {
        try await stage.withVictim(in: stage.makeDirectory(name), VictimConfiguration(isTLS: isTLS)) { victim in
            // In the clear also with TLS: a handshake is begun by hand.
            let target = try RawTarget(victim, port: victim.xdsPort)
            let outcome = Shared(HeldConnections.Outcome())
            let hold = stage.scale.duration(30, short: 30)
            let count = stage.scale.count(600, short: 200)
            let exposure = try await Exposure.measure(victim) {
                let held = HeldConnections(target: target, count: count) { number in
                    guard number % 2 == 1 else { return nil }
                    // The head of a TLS record with 512 bytes of a ClientHello, and its first bytes.
                    return isTLS
                        ? ByteBuffer(bytes: [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3])
                        : ByteBuffer(string: "PRI * HTTP/2")
                }
                let result = await held.hold(for: hold)
                outcome.change { $0 = result }
            }
            let result = outcome.value
            return exposure.figures(Exposure.Bars(memory: 150, newClient: 2)) + [
                Figure("connections", Double(result.opened), ""),
                Figure("ended by the server", Double(result.ended), ""),
                Figure("until all were ended", result.untilAllEnded.map { $0 / .seconds(1) }, "s", most: 30),
            ]
        }
    }
}
