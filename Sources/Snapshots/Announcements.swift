import Model

/// Delays new remote pods, and changes of `reach`, for clients until the gateways on the way know them.
///
/// A client connects to a new remote pod at once, and a gateway that doesn't know the pod yet closes the connection. So
/// new pods behind gateways, and a changed `reach`, are sent to the gateways first. Clients and other Ballasts get them
/// when the gateways have answered, or after `patience`: a gateway that hangs only delays them.
///
/// Removed pods disappear from clients at once, with one exception: if no healthy pod of the service would be left in
/// the cluster, the pods announced last stay until the new ones are announced.
struct Announcements {
    /// The maximum time that clients wait for gateways.
    static let patience = Duration.seconds(2)

    /// The identity by which gateways know a pod.
    fileprivate enum PodKey: Hashable {
        /// By SNI, which is made from the pod's name.
        case name(String)
        case address(SocketAddress)
    }

    private struct Wait {
        /// The publication that the gateways have to answer.
        var publication: UInt64
        var end: ContinuousClock.Instant
    }

    /// The new pods of one service in one cluster.
    private struct News {
        var waits: [PodKey: Wait]
        /// The pods announced before, which stay while no other announced pod is healthy.
        var last: [Pod]

        func announced(_ pods: [Pod], _ cluster: Cluster) -> [Pod] {
            let known = pods.filter { pod in cluster.key(of: pod).map { waits[$0] == nil } ?? true }
            return known.contains { $0.health == .healthy } ? known : last
        }
    }

    private var news: [ServiceName: [ClusterName: News]] = [:]
    /// The old reach that clients still use, by cluster.
    private var reaches: [ClusterName: (reach: Reach, wait: Wait)] = [:]

    /// When to call `settle` even if no gateway answers; nil if nothing waits.
    var next: ContinuousClock.Instant? {
        let waits = news.values.flatMap { $0.values.flatMap(\.waits.values) } + reaches.values.map(\.wait)
        return waits.map(\.end).min()
    }

    /// For each cluster, the next publication that its gateways have to answer.
    var awaited: [ClusterName: UInt64] {
        let waits =
            news.values.flatMap { $0.flatMap { cluster, news in news.waits.values.map { (cluster, $0.publication) } } }
            + reaches.map { ($0.key, $0.value.wait.publication) }
        return Dictionary(waits, uniquingKeysWith: min)
    }

    /// Notes that a service's pods change with this publication.
    mutating func note(
        _ service: ServiceName, _ now: [ClusterName: [Pod]], after last: [ClusterName: [Pod]], of clusters: [Cluster],
        in publication: UInt64, at time: ContinuousClock.Instant, gateways: [ClusterName: UInt64]
    ) {
        for cluster in clusters where cluster.asksGatewaysForPods && gateways[cluster.name] != nil {
            let before = last[cluster.name] ?? []
            let known = Set(before.compactMap(cluster.key(of:)))
            let all = Set((now[cluster.name] ?? []).compactMap(cluster.key(of:)))
            let earlier = news[service]?[cluster.name]
            var waits = (earlier?.waits ?? [:]).filter { all.contains($0.key) }
            for pod in all.subtracting(known) where waits[pod] == nil {
                waits[pod] = Wait(publication: publication, end: time + Self.patience)
            }
            let announced = earlier?.announced(before, cluster) ?? before
            news[service, default: [:]][cluster.name] = waits.isEmpty ? nil : News(waits: waits, last: announced)
            if news[service]?.isEmpty == true { news[service] = nil }
        }
    }

    /// Notes that clusters' `reach` changes with this publication.
    mutating func note(
        _ now: [Cluster], after last: [Cluster], in publication: UInt64, at time: ContinuousClock.Instant,
        gateways: [ClusterName: UInt64]
    ) {
        let known = Dictionary(last.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        reaches = reaches.filter { entry in now.contains { $0.name == entry.key } }
        for cluster in now {
            guard let last = known[cluster.name], last.reach != cluster.reach else { continue }
            let reach = reaches.removeValue(forKey: cluster.name)?.reach ?? last.reach
            guard cluster.asksGatewaysForPods, reach != cluster.reach, gateways[cluster.name] != nil else {
                continue
            }
            reaches[cluster.name] = (reach, Wait(publication: publication, end: time + Self.patience))
        }
    }

    /// Ends the waits that are over, and returns the services whose pods may be announced and whether a `reach` may be.
    ///
    /// - Parameter gateways: for each cluster, the newest publication that all its gateways have answered.
    mutating func settle(
        at now: ContinuousClock.Instant, gateways: [ClusterName: UInt64]
    ) -> (services: Set<ServiceName>, reach: Bool) {
        let isOver = { (cluster: ClusterName, wait: Wait) in
            wait.end <= now || gateways[cluster].map { $0 >= wait.publication } ?? true
        }
        var settled: Set<ServiceName> = []
        for (service, clusters) in news {
            var left: [ClusterName: News] = [:]
            for (cluster, news) in clusters {
                let waits = news.waits.filter { !isOver(cluster, $0.value) }
                if waits.count < news.waits.count { settled.insert(service) }
                if !waits.isEmpty { left[cluster] = News(waits: waits, last: news.last) }
            }
            news[service] = left.isEmpty ? nil : left
        }
        let count = reaches.count
        reaches = reaches.filter { !isOver($0.key, $0.value.wait) }
        return (settled, reaches.count < count)
    }

    mutating func forget(_ service: ServiceName) { news[service] = nil }

    /// The mesh as clients of a network may see it; pass nil for other Ballasts, whose clients are in other networks.
    func announced(_ mesh: Mesh, of service: ServiceName, in network: String?) -> Mesh {
        guard !news.isEmpty || !reaches.isEmpty else { return mesh }
        var mesh = mesh
        for index in mesh.clusters.indices {
            let cluster = mesh.clusters[index]
            if let network, cluster.isDirect(from: network) { continue }
            if let reach = reaches[cluster.name]?.reach { mesh.clusters[index].reach = reach }
            guard let news = news[service]?[cluster.name] else { continue }
            mesh.pods[cluster.name] = news.announced(mesh.pods[cluster.name] ?? [], cluster)
        }
        return mesh
    }
}

extension Cluster {
    /// Whether the gateways have to know each pod.
    fileprivate var asksGatewaysForPods: Bool {
        guard !gateways.isEmpty else { return false }
        return switch reach {
        case .pods, .connect: true
        case .gateway, .lanes, .hbone: false
        }
    }

    /// The identity by which the cluster's gateways know a pod; nil if they don't need to.
    fileprivate func key(of pod: Pod) -> Announcements.PodKey? {
        switch reach {
        case .pods: .name(pod.name)
        case .connect: .address(pod.address)
        case .gateway, .lanes, .hbone: nil
        }
    }
}
