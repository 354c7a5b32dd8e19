public import XDS

/// A discovery method that this server has.
public struct Method: Hashable, Sendable {
    /// As HTTP/2's `:path` has it.
    public let path: String
    /// SotW or delta.
    public let variant: Variant
    /// The one type of the stream; nil where the stream is aggregated.
    public let type: TypeURL?

    /// ADS, SotW.
    public static let streamAggregatedResources = Method(
        path: "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources", variant: .sotw,
        type: nil
    )
    /// ADS, delta.
    public static let deltaAggregatedResources = Method(
        path: "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources", variant: .delta,
        type: nil
    )
    /// EDS, SotW.
    public static let streamEndpoints = Method(
        path: "/envoy.service.endpoint.v3.EndpointDiscoveryService/StreamEndpoints", variant: .sotw,
        type: .clusterLoadAssignment
    )
    /// EDS, delta.
    public static let deltaEndpoints = Method(
        path: "/envoy.service.endpoint.v3.EndpointDiscoveryService/DeltaEndpoints", variant: .delta,
        type: .clusterLoadAssignment
    )

    /// CDS, SotW.
    public static let streamClusters = Method(
        path: "/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters", variant: .sotw, type: .cluster
    )
    /// CDS, delta; on demand, too.
    public static let deltaClusters = Method(
        path: "/envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters", variant: .delta, type: .cluster
    )
    /// LDS, SotW.
    public static let streamListeners = Method(
        path: "/envoy.service.listener.v3.ListenerDiscoveryService/StreamListeners", variant: .sotw, type: .listener
    )
    /// LDS, delta.
    public static let deltaListeners = Method(
        path: "/envoy.service.listener.v3.ListenerDiscoveryService/DeltaListeners", variant: .delta, type: .listener
    )

    /// RDS, SotW.
    public static let streamRoutes = Method(
        path: "/envoy.service.route.v3.RouteDiscoveryService/StreamRoutes", variant: .sotw, type: .routeConfiguration
    )
    /// RDS, delta.
    public static let deltaRoutes = Method(
        path: "/envoy.service.route.v3.RouteDiscoveryService/DeltaRoutes", variant: .delta, type: .routeConfiguration
    )

    /// All of them.
    public static let all = [
        streamAggregatedResources, deltaAggregatedResources, streamClusters, deltaClusters, streamEndpoints,
        deltaEndpoints, streamListeners, deltaListeners, streamRoutes, deltaRoutes,
    ]

    /// The method of that path, if this server has it.
    public static func at(_ path: String) -> Method? { all.first { $0.path == path } }
}
