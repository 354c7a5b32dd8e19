import NIOCore

/// TCP connections that send a few bytes or nothing, and wait.
struct HeldConnections: Sendable {
    var target: RawTarget
    var count: Int
    /// What each connection sends, by its number.
    var says: @Sendable (Int) -> ByteBuffer? = { _ in nil }

    /// What happened to the connections.
    struct Outcome: Sendable {
        /// The number of connections that were established.
        var opened = 0
        /// The number of connections that the server closed while they were held.
        var ended = 0
        /// The time until the server had closed the last one; nil if some stayed open.
        var untilAllEnded: Duration?
    }

    /// Holds the connections until `duration` is over or the server has closed all of them, then closes the rest.
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
                            defer { if !Task.isCancelled { outcome.change { $0.ended += 1 } } }
                            if let bytes = says(number) { try await connection.write(bytes) }
                            for try await _ in connection.inbound {}
                        }
                    }
                    // All at once would only fill the listen backlog.
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
