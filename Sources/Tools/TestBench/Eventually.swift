import Foundation

/// The timeout of the bench, the conformance suite and the tests for conditions that are expected to come true.
///
/// It is long, for busy machines; waiting ends as soon as the condition is true. `BALLAST_PATIENCE` sets another number
/// of seconds, for servers that are expected to fail.
public enum Patience {
    /// 120 seconds by default.
    public static let usual = Duration.seconds(
        ProcessInfo.processInfo.environment["BALLAST_PATIENCE"].flatMap { Int($0) } ?? 120)
}

/// A condition that didn't come true in time.
public struct TimedOut: Error, CustomStringConvertible {
    /// The condition.
    public let description: String
}

/// Waits until a condition is true, checking it every few milliseconds.
///
/// An error thrown by the condition counts as false.
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
