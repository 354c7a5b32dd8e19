/// What a client supports; this decides which resources it receives.
public struct ClientCapabilities: Hashable, Sendable {
    /// Whether the client supports every `Reach`: it has internal listeners and can use HTTP CONNECT proxies.
    ///
    /// Other clients get gateway addresses only (`Reach.gateway`).
    public var supportsEveryReach: Bool
    /// Whether the client supports `Reach.hbone`, too: it has filter state that keeps tunnels apart.
    public var supportsTunnels = false
    /// Whether the client reads endpoint weights; otherwise it reads locality weights only (gRFC A42).
    public var readsEndpointWeights: Bool
    /// Whether the client is its own cluster's gateway; gateways receive that cluster's pods only.
    public var isGateway: Bool
}

/// The kind of a client, by its name in the admin API.
public enum ClientKind: String, Hashable, Sendable, CaseIterable {
    /// Any other Envoy.
    case plain
    case grpc
    /// An Envoy whose node metadata has `lanes: true`.
    case lanes
    /// The same before Envoy 1.38, in a mesh with tunnels, which it doesn't support.
    case olderLanes = "older-lanes"
    /// A cluster's own gateway: an Envoy whose node metadata has `role: gateway`.
    case gateway

    /// What clients of this kind support.
    public var capabilities: ClientCapabilities {
        switch self {
        case .plain: ClientCapabilities(supportsEveryReach: false, readsEndpointWeights: true, isGateway: false)
        case .grpc: ClientCapabilities(supportsEveryReach: false, readsEndpointWeights: false, isGateway: false)
        case .lanes:
            ClientCapabilities(
                supportsEveryReach: true, supportsTunnels: true, readsEndpointWeights: true, isGateway: false)
        case .olderLanes: ClientCapabilities(supportsEveryReach: true, readsEndpointWeights: true, isGateway: false)
        case .gateway: ClientCapabilities(supportsEveryReach: false, readsEndpointWeights: true, isGateway: true)
        }
    }
}
