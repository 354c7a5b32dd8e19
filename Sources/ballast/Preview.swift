import Balancing
import Discovery
import Intent
import Model

/// A preview of what an intent would serve, as far as its files show it.
struct Preview {
    private let intent: MeshIntent
    private let clusters: [Cluster]
    private let pods: [ClusterName: [ServiceName: [Pod]]]
    /// The clusters whose pods are not in files.
    private let unknown: [ClusterName]

    /// - Parameter pods: the pods in the endpoints files.
    init(_ intent: MeshIntent, _ pods: [ClusterName: [ServiceName: [Pod]]]) {
        self.intent = intent
        self.pods = pods
        unknown = intent.clusters.filter { cluster in
            switch cluster.endpoints {
            case .file, .directory: false
            case .kubernetes, .ballast: true
            }
        }.map(\.name)
        clusters = intent.clusters.map { cluster in
            var gateways = cluster.gateways.addresses
            // Gateways whose addresses are not known yet are represented by a placeholder.
            if gateways.isEmpty, !cluster.gateways.isEmpty, let some = SocketAddress("192.0.2.1:1") {
                gateways = [some]
            }
            return cluster.cluster(gateways: gateways)
        }
    }

    /// What would be served although it is probably not intended, one sentence each.
    var warnings: [String] {
        let services = intent.services.map(\.service)
        var warnings = Set(services.flatMap(problems)).sorted()
        if let plaintextWarning { warnings.append(plaintextWarning) }
        warnings += intent.problems(ofNamesIn: pods, isEverything: unknown.isEmpty).sorted()
        if unknown.isEmpty {
            warnings += services.filter(servesNobody).map {
                "\($0.name) has no pod that takes traffic, so that all requests to it fail"
            }
        }
        return warnings
    }

    /// The shares of a service, in one line.
    func summary(of service: Service) -> String {
        let parts = assign(service, from: intent.cluster).shares.map { share in
            if unknown.contains(share.cluster) { return "\(share.cluster): known when its source is asked" }
            let percent = (share.share * 1_000).rounded() / 10
            let number = percent == percent.rounded() ? "\(Int(percent))" : "\(percent)"
            return unknown.isEmpty
                ? "\(share.cluster) \(number) % (\(share.reason))" : "\(share.cluster): \(share.reason)"
        }
        return "\(service.name), for clients in \(intent.cluster): \(parts.joined(separator: "; "))"
    }

    private func assign(_ service: Service, from client: ClusterName) -> Assignment {
        Mesh(clusters: clusters, pods: pods.compactMapValues { $0[service.name] }).assign(service, from: client)
    }

    /// Why clusters can't be reached in the way that is configured.
    private func problems(of service: Service) -> [String] {
        clusters.flatMap { client in
            assign(service, from: client.name).problems.map { "\(service.name) in \($0.cluster): \($0.problem)" }
        }
    }

    /// Whether a service has pods, but none of them takes traffic.
    private func servesNobody(_ service: Service) -> Bool {
        let shares = assign(service, from: intent.cluster).shares
        return shares.contains { !$0.pods.isEmpty } && shares.allSatisfy { $0.share == 0 }
    }

    /// A warning if Envoys that take their Envoy clusters from Ballast could not pass gateways.
    private var plaintextWarning: String? {
        guard let plain = intent.services.first(where: { $0.service.client.tls == nil })?.service.name,
            let remote = intent.clusters.first(where: {
                $0.name != intent.cluster && !$0.gateways.isEmpty && $0.reach.acceptsEveryClient
            })?.name
        else { return nil }
        return """
            \(plain) has no `envoy.tls`: an Envoy that gets its Envoy clusters from Ballast sends plaintext to it, and a gateway \
            of \(remote) that chooses pods by SNI answers such requests itself, mostly with 404
            """
    }
}
