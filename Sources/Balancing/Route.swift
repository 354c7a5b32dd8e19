import Model

/// How the clients of one cluster and audience get to another cluster's pods of one service.
enum Route: Hashable, Sendable {
    /// They connect to the pods.
    case direct
    /// One endpoint for each gateway address.
    ///
    /// Another generation makes clients open new connections.
    case gateways([SocketAddress], generation: String?)
    /// One endpoint for each of these names, all through one listener.
    case lanes([String])
    /// One endpoint for each pod, with an SNI by the pod's name.
    case pods(sni: [String: String])
    /// The pods' own addresses, each through one of these proxies.
    case connect([SocketAddress])

    /// How many addresses a cluster's weight is split over, besides by pods; each needs at least 1.
    var parts: Int {
        switch self {
        case .direct, .pods: 1
        case .connect(let proxies): min(1, proxies.count)
        case .gateways(let addresses, _): addresses.count
        case .lanes(let lanes): lanes.count
        }
    }

    /// For people.
    var description: String {
        switch self {
        case .direct: "reached directly"
        case .gateways(let addresses, _):
            "reached through \(addresses.count) \(addresses.count == 1 ? "gateway" : "gateways")"
        case .lanes(let lanes): "reached in \(lanes.count) lanes"
        case .pods: "each reached by its own SNI"
        case .connect(let proxies):
            "each reached through \(proxies.count == 1 ? "the proxy" : "one of \(proxies.count) proxies")"
        }
    }

    /// Whether each pod is an endpoint.
    var sendsPods: Bool {
        switch self {
        case .direct, .pods, .connect: true
        case .gateways, .lanes: false
        }
    }

    /// Whether pods' own addresses are sent.
    var sendsPodAddresses: Bool {
        switch self {
        case .direct, .connect: true
        case .gateways, .lanes, .pods: false
        }
    }

    /// Leaves out gateways whose address is a pod's at another priority: EDS takes an address once, and weights of two
    /// priorities can't be added.
    ///
    /// - Parameters:
    ///   - taken: addresses that are endpoints already, and whose.
    ///   - owner: the cluster at the other priority.
    mutating func leaveOut(
        _ taken: [SocketAddress: ClusterName], of owner: ClusterName, problem: inout String?
    ) {
        guard case .gateways(let addresses, let generation) = self else { return }
        let usable = addresses.filter { taken[$0] != owner }
        guard usable.count < addresses.count else { return }
        self = .gateways(usable, generation: generation)
        let others = addresses.filter { taken[$0] == owner }.map(\.description).joined(separator: ", ")
        problem = [
            problem,
            """
            its gateway \(others) has the address of a pod of cluster \(owner), which is at another priority, and EDS \
            takes an address once; that gateway is left out
            """,
        ].compactMap(\.self).joined(separator: "; ")
    }

    /// The route that a cluster's `reach` asks for, or the next best one and why.
    ///
    /// - Parameters:
    ///   - pods: those that may be sent.
    ///   - taken: addresses that are endpoints already, and whose.
    init(
        to cluster: Cluster, of service: Service, for audience: Audience, renewal: Renewal?, pods: [Pod],
        taken: [SocketAddress: ClusterName], problem: inout String?
    ) {
        let addresses = Set(cluster.gateways).sorted()
        let fallback = Route.gateways(addresses, generation: nil)
        let isReduced = audience != .lanes && cluster.reach.kind != .gateway
        switch isReduced ? .gateway(refresh: false) : cluster.reach {
        case .gateway(let refresh):
            self = .gateways(addresses, generation: refresh ? renewal?.generation : nil)
        case .lanes(let settings):
            let count = settings.count(pods: pods.count { $0.health == .healthy }, gateways: addresses.count)
            self = .lanes(renewal?.lanes ?? (0..<count).map { "lane-\($0)" })
        case .pods(let template):
            do throws(SNITemplate.Problem) {
                self = .pods(sni: try template.names(of: pods, of: service, in: cluster.name))
            } catch {
                self = fallback
                problem = "\(error); reached through its gateways instead"
            }
        case .connect:
            self = .connect(addresses)
            if let pod = pods.first(where: { taken[$0.address] != nil }), let owner = taken[pod.address] {
                self = fallback
                problem = """
                    pod \(pod.name) has the address \(pod.address) of a pod of cluster \(owner), and EDS takes an address \
                    once; reached through its gateways instead
                    """
            }
        }
    }
}
