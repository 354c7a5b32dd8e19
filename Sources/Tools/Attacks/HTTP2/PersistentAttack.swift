/// Connections that are opened again when the server closes them.
struct PersistentAttack: Sendable {
    var target: RawTarget
    var connections = 1
    var isReading = true

    /// Runs `body` on every connection until the time is over.
    ///
    /// - Returns: how many connections were opened.
    func run(
        for duration: Duration, _ body: @escaping @Sendable (RawConnection) async throws -> Void
    ) async -> Int {
        let opened = Shared(0)
        let attacking = Task { [self] in
            await withTaskGroup { group in
                for _ in 0..<connections {
                    group.addTask {
                        while !Task.isCancelled {
                            opened.add(1)
                            try? await RawConnection.openHTTP2(to: target, isReading: isReading, body)
                            try? await Task.sleep(for: .milliseconds(20))
                        }
                    }
                }
            }
        }
        await withTaskCancellationHandler {
            try? await Task.sleep(for: duration)
        } onCancel: {
            attacking.cancel()
        }
        attacking.cancel()
        await attacking.value
        return opened.value
    }
}
