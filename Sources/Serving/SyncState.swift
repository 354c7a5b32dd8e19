public import Model
public import Snapshots

/// Whether a client has what is served now.
public enum SyncState: String, Hashable, Sendable, CaseIterable {
    /// It has, and has accepted it.
    case synced = "SYNCED"
    /// It was sent, and the client has not answered for less than five seconds.
    case pending = "PENDING"
    /// It was sent, and the client has not answered for longer.
    case stale = "STALE"
    /// It was not written yet.
    case behind = "BEHIND"
    /// The client rejected it, and keeps the last that it accepted.
    case nacked = "NACKED"

    /// How long an answer may take.
    static let patience = Duration.seconds(5)
}

/// Whether one client has a service as it is served now.
public struct Delivery: Hashable, Sendable {
    /// The node ID.
    public var node: String
    /// The view that the client is served.
    public var view: ClientView
    /// Whether the client has it.
    public var state: SyncState
    /// The client's error message, if it rejected it.
    public var message: String?

    /// Creates a delivery.
    public init(node: String, view: ClientView, state: SyncState, message: String? = nil) {
        self.node = node
        self.view = view
        self.state = state
        self.message = message
    }
}

extension XDSService {
    /// Which clients subscribe to a service's endpoints, and whether they have them as they are served now.
    public func deliveries(of service: ServiceName) async -> [Delivery] {
        await streams { $0.delivery(of: service) }.compactMap(\.self)
    }
}
