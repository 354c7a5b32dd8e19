import Intent
import EnvoyAPI
import MeshConfiguration
import Model
import XDS

/// What another Ballast has told, and what that means: an importer's side of a delta stream, without the stream.
struct ImportedServices {
    /// A name that no service has.
    ///
    /// Asked for again and again, it is answered each time that there is no such resource: so the other's answers show
    /// that it is there, and the first that all before it has come.
    static let probeName: ResourceName = "ballast:probe"

    /// The cluster that imports.
    let ownCluster: ClusterName
    private let peer: BallastPeer
    private let limits: Configuration.SourceLimits
    /// All resources, and the probe.
    private var subscription = ClientSubscription(.delta, to: ["*", ImportedServices.probeName])
    /// Endpoints of all services.
    private var endpointCount = 0
    /// Bytes that came on this stream before everything had.
    private var byteCount = 0
    /// Why the other's own source is stale; nil if it isn't.
    private(set) var staleReason: String?
    /// Services that it exports though nobody has asked for them.
    private(set) var unwanted: Set<ServiceName> = []
    /// How often it has sent such on this stream.
    private var unwantedCount = 0
    private(set) var services: [ServiceName: (service: ExportedService, version: String)] = [:]
    /// Whether everything has come once.
    private var isSynced = false
    /// What came on this stream before everything had.
    private var changed: Set<ServiceName>? = []
    private var removed: Set<ServiceName> = []

    init(_ peer: BallastPeer, limits: Configuration.SourceLimits) {
        ownCluster = peer.importer
        self.peer = peer
        self.limits = limits
    }

    /// Whether everything has come on this stream.
    var hasEverything: Bool { changed == nil }

    /// The first request of a stream.
    mutating func start() -> DiscoveryRequest {
        (changed, removed, byteCount, unwantedCount) = (changed ?? [], [], 0, 0)
        return subscription.start()
    }

    /// The request that has the other answer, whatever it has to send.
    mutating func probe() -> DiscoveryRequest { subscription.change(adding: [Self.probeName]) }

    /// The ACK of a response that `receive` took in.
    mutating func accept(_ response: DecodedResponse) -> DiscoveryRequest { subscription.accept(response.summary) }

    /// The NACK of a response that can't be used.
    mutating func reject(_ response: DecodedResponse, _ failure: ImportFailure) -> DiscoveryRequest {
        subscription.reject(response.summary, reason: failure.description)
    }

    /// Takes a response of so many bytes.
    ///
    /// - Returns: what to report; nil where the other has not told everything yet.
    mutating func receive(_ response: DecodedResponse, of bytes: Int) throws(ImportFailure) -> SourceReport? {
        guard response.type == TypeURL.exportedService.rawValue else {
            throw ImportFailure(description: "it sent resources of another type: \(response.type)")
        }
        try bound(bytes, "bytes", limits.bytes, "sources.bytes")
        if !hasEverything {
            byteCount += bytes
            try bound(byteCount, "bytes", limits.bytes, "sources.bytes")
        }
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
                // As many names as are looked at by people.
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

    private func bound(
        _ count: Int, _ what: String, _ most: Int, _ field: String
    ) throws(ImportFailure) {
        guard count > most else { return }
        throw ImportFailure(description: "it exports more than \(most) \(what) (\(field))")
    }

    /// Refuses what can't be the other's own.
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
        if let host = hosts.first(where: { !peer.mayBring($0) }) {
            throw ImportFailure(
                description: """
                    it exports \(service.name) with the address \(host), which can't be another cluster's; loopback and \
                    link-local ones are taken with `endpoints.ballast.addresses`
                    """)
        }
    }

    /// A service that is there with fewer pods is the other's word, which has a guard of its own; one that is no longer
    /// exported proves nothing.
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

/// What another Ballast sent can't be taken.
struct ImportFailure: Error, CustomStringConvertible {
    var description: String
}

extension BallastPeer {
    fileprivate func mayBring(_ host: IPAddress) -> Bool {
        host.isUnicast && (!host.isLoopback || addresses.contains(.loopback))
            && (!host.isLinkLocal || addresses.contains(.linkLocal))
    }
}
