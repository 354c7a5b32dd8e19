import Foundation

/// How long the bench, the conformance suite and the tests wait for what is bound to come.
///
/// Long, for a machine that has much else to do: what is waited for is a condition, and nobody waits longer than that
/// takes. `BALLAST_PATIENCE` says another number of seconds, for servers that are bound to fail.
public enum Patience {
    /// 120 seconds unless told otherwise.
    public static let usual = Duration.seconds(
        ProcessInfo.processInfo.environment["BALLAST_PATIENCE"].flatMap { Int($0) } ?? 120)
}

/// A condition that didn't come true in time.
public struct TimedOut: Error, CustomStringConvertible {
    /// What was waited for.
    public let description: String
}

/// Waits until a condition holds, looking every few milliseconds.
///
/// An error of the condition counts as not yet.
public func eventually(
    within limit: Duration = Patience.usual, every interval: Duration = .milliseconds(10), _ what: String,
    isolation: isolated (any Actor)? = #isolation, _ condition: () async throws -> Bool
) async throws {
    let clock = ContinuousClock()
    let end = clock.now.advanced(by: limit)
    var lastError: (any Error)?
    while clock.now < end {
        do {
            if try await condition() { return }
            lastError = nil
        } catch let error as CancellationError {
            throw error
        } catch {
            lastError = error
        }
        try await clock.sleep(for: interval)
    }
    throw TimedOut(description: "not within \(limit): \(what)" + (lastError.map { " (\($0))" } ?? ""))
}
