import HTTPTypes
import Hummingbird
import Pacing
import Synchronization

/// Computes one answer at a time: each may take as long as a push to a large service, and pushes come first.
final class ComputeLimit: Sendable {
    private let most: Int
    private let turns = Turns()
    private let waiting = Mutex(0)

    /// - Parameter most: how many may be computed or wait.
    init(most: Int) { self.most = most }

    /// Computes an answer when its turn comes, unless too many wait.
    func run<Result>(_ body: () async throws -> Result) async throws -> Result {
        let isAdmitted = waiting.withLock { waiting in
            guard waiting < most else { return false }
            waiting += 1
            return true
        }
        guard isAdmitted else {
            throw RequestError(
                "busy", "\(most) requests of this kind wait, the most that can", .tooManyRequests,
                headers: [.retryAfter: "1"])
        }
        defer { waiting.withLock { $0 -= 1 } }
        return try await turns.take(body)
    }
}
