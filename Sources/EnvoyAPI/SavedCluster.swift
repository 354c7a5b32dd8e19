import CEnvoyAPI
public import FoundationEssentials
public import Model

/// What is known of one cluster, as it is saved for the next start.
public struct SavedCluster: Hashable, Sendable {
    /// The source of the endpoints, for people.
    public var source: String
    /// The time of the source's last report.
    ///
    /// Milliseconds are kept.
    public var confirmed: Date
    /// As served: held endpoints are among them.
    public var pods: [ServiceName: [Pod]]
    /// As configured or reported; nil if they are not known.
    public var gateways: [Gateway]?
    /// The addresses of the host names among the gateways.
    public var resolved: [String: [IPAddress]]

    /// What is known of a cluster.
    public init(
        source: String, confirmed: Date, pods: [ServiceName: [Pod]], gateways: [Gateway]?,
        resolved: [String: [IPAddress]]
    ) {
        self.source = source
        self.confirmed = confirmed
        self.pods = pods
        self.gateways = gateways
        self.resolved = resolved
    }

    /// Strings and messages in one: those of two million endpoints.
    private static var maxParts: Int { 8_000_000 }

    /// Decodes a `ballast.state.v1.SavedCluster`, all or nothing.
    public init(_ bytes: [UInt8]) throws(DecodingFailure) {
        let decoded = try withDecoded(
            bytes, Ballast__State__V1__SavedCluster.self, ballast__state__v1__saved_cluster__descriptor,
            maxParts: Self.maxParts
        ) { SavedCluster($0) }
        guard let decoded else {
            throw DecodingFailure(description: "a saved cluster with a broken time, endpoint, gateway or address")
        }
        self = decoded
    }

    /// The end of the year 9999, in milliseconds: a later time is damage, and might not fit when it is written again.
    private static var latest: UInt64 { 253_402_300_799_999 }

    private init?(_ message: Ballast__State__V1__SavedCluster) {
        guard message.confirmed <= Self.latest else { return nil }
        source = String(message.source)
        confirmed = Date(timeIntervalSince1970: Double(message.confirmed) / 1_000)
        pods = [:]
        for service in messages(message.services, message.n_services) {
            let endpoints = messages(service.endpoints, service.n_endpoints)
            let pods = endpoints.compactMap(Pod.init)
            guard pods.count == endpoints.count else { return nil }
            self.pods[ServiceName(rawValue: String(service.name))] = pods
        }
        let known = strings(message.gateways, message.n_gateways)
        let gateways = known.compactMap { Gateway($0) }
        guard gateways.count == known.count else { return nil }
        self.gateways = message.has_gateways != 0 ? gateways : nil
        resolved = [:]
        for name in messages(message.resolved, message.n_resolved) {
            let texts = strings(name.addresses, name.n_addresses)
            let addresses = texts.compactMap { IPAddress($0) }
            guard addresses.count == texts.count else { return nil }
            resolved[String(name.name)] = addresses
        }
    }

    /// A `ballast.state.v1.SavedCluster`; equal clusters are equal bytes.
    public var encoded: [UInt8] {
        let arena = Arena()
        return encode(
            arena.make(ballast__state__v1__saved_cluster__init) { message in
                message.source = arena.string(source)
                message.confirmed = UInt64((max(0, confirmed.timeIntervalSince1970) * 1_000).rounded())
                message.n_services = pods.count
                message.services = arena.array(pods.sorted { $0.key < $1.key }.map { service($0, $1, in: arena) })
                message.has_gateways = gateways == nil ? 0 : 1
                message.n_gateways = gateways?.count ?? 0
                message.gateways = arena.array((gateways ?? []).map { arena.string($0.description) })
                message.n_resolved = resolved.count
                message.resolved = arena.array(resolved.sorted { $0.key < $1.key }.map { name($0, $1, in: arena) })
            })
    }
}

private func service(
    _ name: ServiceName, _ pods: [Pod], in arena: Arena
) -> UnsafeMutablePointer<Ballast__State__V1__SavedService> {
    arena.make(ballast__state__v1__saved_service__init) { message in
        message.name = arena.string(name.rawValue)
        message.n_endpoints = pods.count
        message.endpoints = arena.array(pods.map { exportedEndpoint($0, in: arena) })
    }
}

private func name(
    _ name: String, _ addresses: [IPAddress], in arena: Arena
) -> UnsafeMutablePointer<Ballast__State__V1__ResolvedName> {
    arena.make(ballast__state__v1__resolved_name__init) { message in
        message.name = arena.string(name)
        message.n_addresses = addresses.count
        message.addresses = arena.array(addresses.map { arena.string($0.description) })
    }
}
