import Synchronization

/// Tells once that something takes too long; it goes on all the same.
final class Overdue: Sendable {
    /// How long a list's page, or one event, may take from its first byte to its last.
    static let patience = Duration.seconds(30)

    private let patience: Duration
    private let tell: @Sendable () async -> Void
    private let timer = Mutex<Task<Void, Never>?>(nil)

    init(after patience: Duration = patience, _ tell: @escaping @Sendable () async -> Void) {
        self.patience = patience
        self.tell = tell
    }

    /// It begins, unless it has begun.
    func start() {
        timer.withLock { timer in
            guard timer == nil else { return }
            timer = Task { [patience, tell] in
                guard (try? await Task.sleep(for: patience)) != nil else { return }
                await tell()
            }
        }
    }

    /// It is over.
    func stop() { timer.withLock { $0.take() }?.cancel() }
}
