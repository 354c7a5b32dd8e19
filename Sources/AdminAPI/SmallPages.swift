/// What `/healthz` answers.
public struct HealthPage: Codable, Hashable, Sendable {
    /// `alive`, or `deaf`.
    public var status: String
    /// Why it is deaf; nil while it is alive.
    public var reason: String?

    /// A health page.
    public init(status: String, reason: String? = nil) {
        self.status = status
        self.reason = reason
    }
}

/// What `POST /v1/services/NAME/release` answers.
public struct ReleasePage: Codable, Hashable, Sendable {
    /// The service.
    public var service: String
    /// The clusters where something was held.
    public var released: [String]

    /// A release page.
    public init(service: String, released: [String]) {
        self.service = service
        self.released = released
    }
}

/// What is wrong with a request.
public struct ErrorPage: Codable, Hashable, Sendable {
    /// In words.
    public var error: String

    /// A error page.
    public init(error: String) {
        self.error = error
    }
}
