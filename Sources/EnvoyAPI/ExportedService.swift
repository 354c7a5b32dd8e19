import CEnvoyAPI
public import Model
import XDS

/// A service as one Ballast exports it to another: its own cluster's pods and gateways.
public struct ExportedService: Hashable, Sendable {
    /// The service's name, the same in both clusters.
    public var name: ServiceName
    /// The exporting cluster.
    public var cluster: ClusterName
    /// In any order; encoded in the order of their addresses.
    public var pods: [Pod]
    /// Empty if pods are reached directly.
    public var gateways: [SocketAddress]
    /// Why the exporter's own source is stale; only set in the `status` resource.
    public var stale = ""

    /// The name of the status resource, which no service has.
    ///
    /// It exists while the exporter's own source is stale, and says why.
    public static let status: ServiceName = "ballast:status"

    /// Creates the status resource.
    public init(stale reason: String, cluster: ClusterName) {
        self.init(name: Self.status, cluster: cluster, pods: [], gateways: [])
        stale = reason.prefix(utf8Count: Self.longestReason)
    }

    private static var longestReason: Int { 500 }

    /// Creates an exported service.
    public init(name: ServiceName, cluster: ClusterName, pods: [Pod], gateways: [SocketAddress]) {
        self.name = name
        self.cluster = cluster
        self.pods = pods
        self.gateways = gateways
    }

    /// Decodes a resource; fails if any part of it is invalid.
    ///
    /// Pod names and addresses must be unique.
    public init(_ content: [UInt8]) throws(DecodingFailure) {
        let decoded = try withDecoded(
            content, Ballast__Federation__V1__ExportedService.self,
            ballast__federation__v1__exported_service__descriptor
        ) { ExportedService($0) }
        guard let decoded else { throw DecodingFailure(description: "an exported service with a broken endpoint") }
        self = decoded
    }

    private init?(_ message: Ballast__Federation__V1__ExportedService) {
        name = ServiceName(rawValue: String(message.name))
        cluster = ClusterName(rawValue: String(message.cluster))
        let endpoints = messages(message.endpoints, message.n_endpoints)
        pods = endpoints.compactMap(Pod.init)
        let addresses = messages(message.gateways, message.n_gateways)
        stale = String(message.stale).prefix(utf8Count: Self.longestReason)
        gateways = addresses.compactMap { SocketAddress(String($0.host), $0.port) }
        guard pods.count == endpoints.count, gateways.count == addresses.count, !name.rawValue.isEmpty,
            Set(pods.map(\.name)).count == pods.count, Set(pods.map(\.address)).count == pods.count
        else { return nil }
    }
}

extension SocketAddress {
    init?(_ host: String, _ port: UInt32) {
        guard let host = IPAddress(host), let port = UInt16(exactly: port), port > 0 else { return nil }
        self.init(host: host, port: port)
    }
}

extension Pod {
    init?(_ message: Ballast__Federation__V1__ExportedEndpoint) {
        guard let address = SocketAddress(String(message.address), message.port),
            let weight = Weight(Int(message.weight))
        else { return nil }
        let zone = String(message.zone)
        let health: Pod.Health =
            switch message.health {
            case BALLAST__FEDERATION__V1__HEALTH__DRAINING: .draining
            case BALLAST__FEDERATION__V1__HEALTH__HEALTHY: .healthy
            default: .unhealthy
            }
        self.init(
            name: String(message.name), address: address, weight: weight, zone: zone.isEmpty ? nil : zone,
            health: health)
        let name = String(message.sni)
        if !name.isEmpty {
            guard let sni = DNSName(name) else { return nil }
            self.sni = sni
        }
        for value in messages(message.metadata, message.n_metadata) {
            metadata[String(value.filter), default: [:]][String(value.key)] = String(value.value)
        }
    }
}

extension EncodedResource {
    /// Encodes an exported service under its own name.
    public init(_ service: ExportedService) {
        let arena = Arena()
        let pods = service.pods.sorted { ($0.address, $0.name) < ($1.address, $1.name) }
        let root = arena.make(ballast__federation__v1__exported_service__init) { message in
            message.name = arena.string(service.name.rawValue)
            message.cluster = arena.string(service.cluster.rawValue)
            message.n_endpoints = pods.count
            message.endpoints = arena.array(pods.map { exportedEndpoint($0, in: arena) })
            message.stale = arena.string(service.stale)
            message.n_gateways = service.gateways.count
            message.gateways = arena.array(
                service.gateways.sorted().map { gateway in
                    arena.make(ballast__federation__v1__exported_gateway__init) {
                        $0.host = arena.string(gateway.host.description)
                        $0.port = UInt32(gateway.port)
                    }
                })
        }
        self.init(
            name: ResourceName(rawValue: service.name.rawValue), type: .exportedService, content: encode(root))
    }
}

/// A pod as a message.
func exportedEndpoint(
    _ pod: Pod, in arena: Arena
) -> UnsafeMutablePointer<Ballast__Federation__V1__ExportedEndpoint> {
    arena.make(ballast__federation__v1__exported_endpoint__init) { message in
        message.name = arena.string(pod.name)
        message.address = arena.string(pod.address.host.description)
        message.port = UInt32(pod.address.port)
        message.weight = pod.weight.value
        message.zone = arena.string(pod.zone ?? "")
        message.sni = arena.string(pod.sni?.description ?? "")
        let values = pod.metadata.sorted { $0.key < $1.key }.flatMap { filter, values in
            values.sorted { $0.key < $1.key }.map { key, value in
                arena.make(ballast__federation__v1__metadata_value__init) {
                    $0.filter = arena.string(filter)
                    $0.key = arena.string(key)
                    $0.value = arena.string(value)
                }
            }
        }
        message.n_metadata = values.count
        message.metadata = arena.array(values)
        switch pod.health {
        case .healthy: message.health = BALLAST__FEDERATION__V1__HEALTH__HEALTHY
        case .draining: message.health = BALLAST__FEDERATION__V1__HEALTH__DRAINING
        case .unhealthy: message.health = BALLAST__FEDERATION__V1__HEALTH__UNHEALTHY
        }
    }
}
