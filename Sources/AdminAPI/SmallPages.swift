/// The answer of `/healthz`.
public struct HealthPage: Codable, Hashable, Sendable {
    /// `alive`, or `deaf` if the xDS port doesn't answer.
    public var status: String
    /// Why the xDS port doesn't answer; nil if it does.
    public var reason: String?

    /// Creates a page.
    public init(status: String, reason: String? = nil) {
        self.status = status
        self.reason = reason
    }
}

/// The answer of `POST /v1/services/NAME/release`.
public struct ReleasePage: Codable, Hashable, Sendable {
    /// The service's name.
    public var service: String
    /// The clusters in which pods were held.
    public var released: [String]

    /// Creates a page.
    public init(service: String, released: [String]) {
        self.service = service
        self.released = released
    }
}
