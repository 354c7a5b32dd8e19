/// Failed requests of a number of requests, with what such a sample proves.
public struct ErrorRate: Hashable, Sendable {
    /// Requests that failed.
    public var errors: UInt64
    /// Requests that completed.
    public var requests: UInt64

    /// Creates a rate.
    public init(errors: UInt64, of requests: UInt64) {
        self.errors = min(errors, requests)
        self.requests = requests
    }

    /// The rate of the sample, 0 to 1; 0 without requests.
    public var value: Double { requests > 0 ? Double(errors) / Double(requests) : 0 }

    /// The lower end of Wilson's 95 % interval: the true rate is hardly lower.
    ///
    /// 2 errors of 100 prove 0.55 %, 3 of 100 prove 1.03 %.
    public var lowerBound: Double { lowerBound(deviations: 1.959964) }

    /// The lower end of Wilson's 99 % interval.
    var strictLowerBound: Double { lowerBound(deviations: 2.575829) }

    private func lowerBound(deviations z: Double) -> Double {
        guard requests > 0 else { return 0 }
        let (n, p) = (Double(requests), value)
        let margin = z * (p * (1 - p) / n + z * z / (4 * n * n)).squareRoot()
        return max(0, (p + z * z / (2 * n) - margin) / (1 + z * z / n))
    }
}
