public import Model

/// Something that is assumed to be down.
public enum Loss: Hashable, Sendable {
    /// All pods of a cluster.
    case cluster(ClusterName)
    /// The pods of a cluster in a zone.
    case zone(ClusterName, String)
    /// One pod.
    case pod(ClusterName, String)
    /// One gateway.
    case gateway(ClusterName, SocketAddress)

    /// The loss in words, such as `zone a of west`.
    public var description: String {
        switch self {
        case .cluster(let cluster): "cluster \(cluster)"
        case .zone(let cluster, let zone): "zone \(zone) of \(cluster)"
        case .pod(let cluster, let pod): "\(cluster)/\(pod)"
        case .gateway(let cluster, let address): "gateway \(address) of \(cluster)"
        }
    }

    /// The cluster that it is part of.
    public var cluster: ClusterName {
        switch self {
        case .cluster(let name), .zone(let name, _), .pod(let name, _), .gateway(let name, _): name
        }
    }

    /// Whether a pod is lost.
    public func includes(_ pod: Pod, of cluster: Cluster) -> Bool {
        switch self {
        case .cluster(let name): name == cluster.name
        case .zone(let name, let zone): name == cluster.name && (pod.zone ?? cluster.locality.zone) == zone
        case .pod(let name, let podName): name == cluster.name && podName == pod.name
        case .gateway: false
        }
    }
}

extension Mesh {
    /// Makes lost pods unhealthy, and removes lost gateways.
    mutating func lose(_ loss: Loss) {
        if case .gateway(let name, let address) = loss {
            for index in clusters.indices
            where clusters[index].name == name && clusters[index].gateways.contains(address) {
                // Without gateways, a cluster would be reached directly.
                if clusters[index].gateways.count > 1 {
                    clusters[index].gateways.removeAll { $0 == address }
                } else {
                    lose(.cluster(name))
                }
            }
            return
        }
        for cluster in clusters {
            guard let all = pods[cluster.name] else { continue }
            pods[cluster.name] = all.map { pod in
                var pod = pod
                if loss.includes(pod, of: cluster) { pod.health = .unhealthy }
                return pod
            }
        }
    }
}
