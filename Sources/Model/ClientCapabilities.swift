/// What a client can take; it decides what it is sent.
public struct ClientCapabilities: Hashable, Sendable {
    /// Whether it has internal listeners and can go through HTTP CONNECT proxies, so that it can take every `Reach`.
    ///
    /// Any other client gets gateways' addresses (`Reach.gateway`).
    public var takesEveryReach: Bool
    /// Whether it reads the weights of endpoints; otherwise it reads those of localities only (gRFC A42).
    public var readsEndpointWeights: Bool
    /// Whether it is the gateway of its own cluster, which is sent that cluster's pods only.
    public var isGateway: Bool
}

/// A kind of client, by the names that the admin API has for them.
public enum ClientKind: String, Hashable, Sendable, CaseIterable {
    /// Any Envoy.
    case plain
    /// A gRPC client.
    case grpc
    /// An Envoy whose node metadata has `lanes: true`.
    case lanes
    /// A cluster's own gateway: an Envoy whose node metadata has `role: gateway`.
    case gateway

    /// What it can take.
    public var capabilities: ClientCapabilities {
        switch self {
        case .plain: ClientCapabilities(takesEveryReach: false, readsEndpointWeights: true, isGateway: false)
        case .grpc: ClientCapabilities(takesEveryReach: false, readsEndpointWeights: false, isGateway: false)
        case .lanes: ClientCapabilities(takesEveryReach: true, readsEndpointWeights: true, isGateway: false)
        case .gateway: ClientCapabilities(takesEveryReach: false, readsEndpointWeights: true, isGateway: true)
        }
    }
}
