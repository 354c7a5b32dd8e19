import Synchronization

/// Reports once if something takes too long, without stopping it.
final class Overdue: Sendable {
    /// The time limit for one page of a list, or one event, from its first byte to its last.
    static let patience = Duration.seconds(30)

    private let patience: Duration
    private let sink: @Sendable () async -> Void
    private let timer = Mutex<Task<Void, Never>?>(nil)

    init(after patience: Duration = patience, _ sink: @escaping @Sendable () async -> Void) {
        self.patience = patience
        self.sink = sink
    }

    /// Starts the timer, unless it is running.
    func start() {
        timer.withLock { timer in
            guard timer == nil else { return }
            timer = Task { [patience, sink] in
                guard (try? await Task.sleep(for: patience)) != nil else { return }
                await sink()
            }
        }
    }

    func stop() { timer.withLock { $0.take() }?.cancel() }
}
