public import XDS

/// A discovery method that this server implements.
public struct Method: Hashable, Sendable {
    /// The method's path, as in HTTP/2's `:path`.
    public let path: String
    /// SotW or delta.
    public let variant: Variant
    /// The type URL of the stream; nil for ADS.
    public let type: TypeURL?

    /// ADS, SotW.
    public static let streamAggregatedResources = Method(aggregated: .sotw)
    /// ADS, delta.
    public static let deltaAggregatedResources = Method(aggregated: .delta)

    /// All methods: ADS, and the methods of each type that has its own discovery service.
    public static let all: [Method] =
        [streamAggregatedResources, deltaAggregatedResources]
        + ResourceType.all.flatMap { type in
            guard let service = type.service else { return [Method]() }
            return [Method(service, .sotw, type.url), Method(service, .delta, type.url)]
        }

    private init(aggregated variant: Variant) {
        path =
            "/envoy.service.discovery.v3.AggregatedDiscoveryService/\(variant.methodPrefix)AggregatedResources"
        self.variant = variant
        type = nil
    }

    private init(_ service: ResourceType.Service, _ variant: Variant, _ type: TypeURL) {
        path = """
            /envoy.service.\(service.package).v3.\(service.name)DiscoveryService/\
            \(variant.methodPrefix)\(service.resources)
            """
        self.variant = variant
        self.type = type
    }

    /// The method with this path; nil if the server doesn't implement it.
    public static func at(_ path: String) -> Method? { all.first { $0.path == path } }

    /// The method of a type's own discovery service; the type must have one.
    public static func of(_ type: TypeURL, _ variant: Variant) -> Method {
        guard let method = all.first(where: { $0.type == type && $0.variant == variant }) else {
            preconditionFailure("\(type) has no service of its own: see ResourceType.all")
        }
        return method
    }
}

extension Variant {
    fileprivate var methodPrefix: String {
        switch self {
        case .sotw: "Stream"
        case .delta: "Delta"
        }
    }
}
