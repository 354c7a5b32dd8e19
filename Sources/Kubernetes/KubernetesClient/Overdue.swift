import Synchronization

/// Reports once if something takes too long, without stopping it.
final class Overdue: Sendable {
    /// The time limit for one page of a list, or one event, from its first byte to its last.
    static let patience = Duration.seconds(30)

    private let patience: Duration
    private let tell: @Sendable () async -> Void
    private let timer = Mutex<Task<Void, Never>?>(nil)

    init(after patience: Duration = patience, _ tell: @escaping @Sendable () async -> Void) {
        self.patience = patience
        self.tell = tell
    }

    /// Starts the timer, unless it is running.
    func start() {
        timer.withLock { timer in
            guard timer == nil else { return }
            timer = Task { [patience, tell] in
                guard (try? await Task.sleep(for: patience)) != nil else { return }
                await tell()
            }
        }
    }

    func stop() { timer.withLock { $0.take() }?.cancel() }
}
