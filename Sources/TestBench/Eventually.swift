/// A condition that didn't come true in time.
public struct TimedOut: Error, CustomStringConvertible {
    /// What was waited for.
    public let description: String
}

/// Waits until a condition holds, looking every few milliseconds.
///
/// An error of the condition counts as not yet.
public func eventually(
    within limit: Duration = .seconds(20), every interval: Duration = .milliseconds(10), _ what: String,
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
