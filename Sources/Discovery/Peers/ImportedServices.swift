import EnvoyAPI
import Intent
import MeshConfiguration
import Model
import XDS

/// The services received from another Ballast: the importer's side of a delta stream, without the stream.
struct ImportedServices {
    /// A resource name that no service has.
    ///
    /// The importer subscribes to it at intervals. Each time, the peer answers that there is no such resource. The
    /// answer shows that the peer is alive; the first answer also shows that everything sent before it has arrived.
    static let probeName: ResourceName = "ballast:probe"

    let ownCluster: ClusterName
    private let peer: BallastPeer
    private let limits: Configuration.SourceLimits
    /// To all resources, and the probe.
    private var subscription = ClientSubscription(.delta, to: ["*", ImportedServices.probeName])
    /// The number of endpoints of all services.
    private var endpointCount = 0
    /// Bytes received on this stream before it was complete.
    private var byteCount = 0
    /// Why the peer's own source is stale; nil if it isn't.
    private(set) var staleReason: String?
    /// Services that the peer exports although this cluster did not ask for them.
    private(set) var unwanted: Set<ServiceName> = []
    /// How many unrequested services this stream has brought.
    private var unwantedCount = 0
    private(set) var services: [ServiceName: (service: ExportedService, version: String)] = [:]
    /// Whether a stream has been complete once.
    private var isSynced = false
    /// The services received on this stream so far; nil once the stream is complete.
    private var changed: Set<ServiceName>? = []
    private var removed: Set<ServiceName> = []

    init(_ peer: BallastPeer, limits: Configuration.SourceLimits) {
        ownCluster = peer.importer
        self.peer = peer
        self.limits = limits
    }

    /// Whether this stream has delivered everything.
    var hasEverything: Bool { changed == nil }

    /// The first request of a stream.
    mutating func start() -> DiscoveryRequest {
        (changed, removed, byteCount, unwantedCount) = (changed ?? [], [], 0, 0)
        return subscription.start()
    }

    /// A request that the peer answers at once.
    mutating func probe() -> DiscoveryRequest { subscription.change(adding: [Self.probeName]) }

    /// The ACK of a response that was received.
    mutating func accept(_ response: DecodedResponse) -> DiscoveryRequest { subscription.accept(response.summary) }

    /// The NACK of a response that can't be used.
    mutating func reject(_ response: DecodedResponse, _ failure: ImportFailure) -> DiscoveryRequest {
        subscription.reject(response.summary, reason: failure.description)
    }

    /// Applies a response of `bytes` bytes.
    ///
    /// - Returns: what to report; nil while the peer has not sent everything.
    mutating func receive(_ response: DecodedResponse, of bytes: Int) throws(ImportFailure) -> SourceReport? {
        guard response.type == TypeURL.exportedService.rawValue else {
            throw ImportFailure(description: "it sent resources of another type: \(response.type)")
        }
        try bound(bytes, "bytes", limits.bytes, "sources.bytes")
        if !hasEverything {
            byteCount += bytes
            try bound(byteCount, "bytes", limits.bytes, "sources.bytes")
        }
        let news = try requested(in: response)
        for (service, _) in news { try check(service) }
        var touched = Set(news.map(\.0.name))
        for (service, version) in news {
            endpointCount += service.pods.count - (services[service.name]?.service.pods.count ?? 0)
            services[service.name] = (service, version)
            try bound(endpointCount, "endpoints", limits.endpoints, "sources.endpoints")
            try bound(services.count, "services", limits.services, "sources.services")
        }
        let isAnswered = response.removed.contains(Self.probeName.rawValue)
        if response.removed.contains(ExportedService.status.rawValue) { staleReason = nil }
        let own = [Self.probeName.rawValue, ExportedService.status.rawValue]
        let gone = Set(response.removed.filter { !own.contains($0) }.map(ServiceName.init(rawValue:)))
        for name in gone { endpointCount -= services.removeValue(forKey: name)?.service.pods.count ?? 0 }
        unwanted.subtract(gone)
        removed = removed.union(gone).subtracting(touched)
        if let earlier = changed {
            changed = earlier.union(touched)
            guard isAnswered else { return nil }
            touched = earlier.union(touched)
            changed = nil
        }
        defer { (removed, isSynced) = ([], true) }
        return report(touched.subtracting(removed))
    }

    /// The services of a response that this cluster asked for.
    private mutating func requested(
        in response: DecodedResponse
    ) throws(ImportFailure) -> [(ExportedService, version: String)] {
        var news: [(ExportedService, version: String)] = []
        for resource in response.resources {
            let name = ServiceName(rawValue: resource.name)
            guard name != ExportedService.status else {
                do throws(DecodingFailure) {
                    staleReason = try ExportedService(resource.content).stale
                } catch {
                    throw ImportFailure(description: "its resource \(resource.name) can't be used: \(error)")
                }
                continue
            }
            guard peer.services?.contains(name) != false else {
                // More names than this would not be read by anyone.
                if unwanted.count < 100 { unwanted.insert(name) }
                unwantedCount += 1
                try bound(unwantedCount, "services that nobody has asked for", limits.services, "sources.services")
                continue
            }
            do throws(DecodingFailure) {
                news.append((try ExportedService(resource.content), resource.version))
            } catch {
                throw ImportFailure(description: "its resource \(resource.name) can't be used: \(error)")
            }
        }
        if let loop = news.first(where: { $0.0.cluster == ownCluster }) {
            throw ImportFailure(
                description: """
                    it exports \(loop.0.name) of a cluster named \(ownCluster), as this one is: a Ballast imports from \
                    other clusters only, and each needs a name of its own
                    """)
        }
        return news
    }

    private func bound(
        _ count: Int, _ what: String, _ most: Int, _ field: String
    ) throws(ImportFailure) {
        guard count > most else { return }
        throw ImportFailure(description: "it exports more than \(most) \(what) (\(field))")
    }

    /// Refuses services that can't belong to the peer's cluster.
    private func check(_ service: ExportedService) throws(ImportFailure) {
        guard service.cluster == peer.cluster else {
            throw ImportFailure(
                description: """
                    it exports \(service.name) of a cluster named \(service.cluster), and is asked for \(peer.cluster): if that \
                    is its name, set `endpoints.ballast.cluster`
                    """)
        }
        try bound(service.gateways.count, "gateways of \(service.name)", limits.gateways, "sources.gateways")
        let hosts = service.pods.lazy.map(\.address.host) + service.gateways.lazy.map(\.host)
        if let host = hosts.first(where: { !peer.allowsAddress($0) }) {
            throw ImportFailure(
                description: """
                    it exports \(service.name) with the address \(host), which can't be another cluster's; loopback and \
                    link-local ones are taken with `endpoints.ballast.addresses`
                    """)
        }
    }

    /// Builds the report.
    ///
    /// For a service that is still exported with fewer pods, the peer vouches, since it has a shrink guard of its own.
    /// A service that is no longer exported is no evidence.
    private func report(_ touched: Set<ServiceName>) -> SourceReport {
        let gateways = Set(services.values.flatMap(\.service.gateways)).sorted().map { Gateway.address($0) }
        guard isSynced else {
            let all = services.mapValues { SourceUpdate.ServicePods($0.service.pods, .vouched) }
            return .update(SourceUpdate(pods: .all(all), gateways: gateways))
        }
        var changed: [ServiceName: SourceUpdate.ServicePods] = [:]
        for name in removed { changed[name] = SourceUpdate.ServicePods([]) }
        for name in touched {
            if let pods = services[name]?.service.pods { changed[name] = SourceUpdate.ServicePods(pods, .vouched) }
        }
        guard !changed.isEmpty else { return .confirmed }
        return .update(SourceUpdate(pods: .changed(changed), gateways: touched.isEmpty ? nil : gateways))
    }
}

/// Why a response from another Ballast was refused.
struct ImportFailure: Error, CustomStringConvertible {
    var description: String
}

extension BallastPeer {
    fileprivate func allowsAddress(_ host: IPAddress) -> Bool {
        host.isUnicast && (!host.isLoopback || addresses.contains(.loopback))
            && (!host.isLinkLocal || addresses.contains(.linkLocal))
    }
}
