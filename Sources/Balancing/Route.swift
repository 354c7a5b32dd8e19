import Model

/// How the clients of one cluster get to another cluster's pods of one service.
struct Route: Hashable, Sendable {
    /// Which endpoints there are.
    enum Endpoints: Hashable, Sendable {
        /// One for each pod, told apart so.
        case pods(PodIdentity)
        /// These, each of which leads to any of the pods.
        ///
        /// Another generation makes clients open new connections.
        case shared([Assignment.Endpoint.Address], generation: String?)
    }

    /// What tells the endpoint of one pod from another's.
    enum PodIdentity: Hashable, Sendable {
        /// The pod's address.
        case address
        /// The pod's address, through one of these HTTP CONNECT proxies.
        case proxied([SocketAddress])
        /// An SNI by the pod's name, through a listener inside the client.
        case sni([String: String], listener: String)
    }

    var endpoints: Endpoints
    /// For people: `reached directly`.
    var description: String
    /// Why this isn't the way that the cluster is configured for; nil if it is.
    var problem: String?

    /// The clients connect to the pods.
    static let direct = Route(endpoints: .pods(.address), description: "reached directly")

    /// How many addresses the cluster's weight is split over, each of which needs at least 1; 0 if nothing is reached.
    var parts: Int {
        switch endpoints {
        case .pods(.proxied(let proxies)): min(1, proxies.count)
        case .pods: 1
        case .shared(let addresses, _): addresses.count
        }
    }

    /// Whether each pod is an endpoint.
    var sendsPods: Bool { if case .pods = endpoints { true } else { false } }

    /// Whether pods' own addresses are sent.
    var sendsPodAddresses: Bool {
        switch endpoints {
        case .pods(.address), .pods(.proxied): true
        case .pods(.sni), .shared: false
        }
    }
}

extension Route {
    /// The way that a cluster's `reach` asks for, or the next best one and why.
    ///
    /// - Parameters:
    ///   - pods: those that may be sent.
    ///   - taken: addresses that are endpoints already, and whose.
    init(
        to cluster: Cluster, of service: Service, for capabilities: ClientCapabilities, renewal: Renewal?,
        pods: [Pod], taken: [SocketAddress: ClusterName]
    ) {
        let gateways = Set(cluster.gateways).sorted()
        self.init(gateways: gateways)
        guard capabilities.takesEveryReach || cluster.reach.kind == .gateway else { return }
        let listener = cluster.name.gatewayListener
        switch cluster.reach {
        case .gateway(let refresh): self = Route(gateways: gateways, generation: refresh ? renewal?.generation : nil)
        case .lanes(let settings):
            let count = settings.count(pods: pods.count { $0.health == .healthy }, gateways: gateways.count)
            let lanes = renewal?.lanes ?? (0..<count).map { "lane-\($0)" }
            endpoints = .shared(lanes.map { .listener(listener, id: $0) }, generation: nil)
            description = "reached in \(lanes.count) lanes"
        case .pods(let template):
            do throws(SNITemplate.Problem) {
                endpoints = .pods(
                    .sni(try template.names(of: pods, of: service, in: cluster.name), listener: listener))
                description = "each reached by its own SNI"
            } catch {
                problem = "\(error); reached through its gateways instead"
            }
        case .connect:
            if let pod = pods.first(where: { taken[$0.address] != nil }), let owner = taken[pod.address] {
                problem = """
                    pod \(pod.name) has the address \(pod.address) of a pod of cluster \(owner), and EDS takes an address \
                    once; reached through its gateways instead
                    """
            } else {
                endpoints = .pods(.proxied(gateways))
                let proxies = gateways.count == 1 ? "the proxy" : "one of \(gateways.count) proxies"
                description = "each reached through \(proxies)"
            }
        }
    }

    private init(gateways: [SocketAddress], generation: String? = nil) {
        self.init(
            endpoints: .shared(gateways.map { .socket($0) }, generation: generation),
            description: "reached through \(gateways.count) \(gateways.count == 1 ? "gateway" : "gateways")")
    }

    /// Leaves out gateways whose address is a pod's at another priority: EDS takes an address once, and weights of two
    /// priorities can't be added.
    ///
    /// - Parameters:
    ///   - taken: addresses that are endpoints already, and whose.
    ///   - owner: the cluster at the other priority.
    mutating func leaveOut(_ taken: [SocketAddress: ClusterName], of owner: ClusterName) {
        guard case .shared(let addresses, let generation) = endpoints else { return }
        let gateways = addresses.compactMap { if case .socket(let gateway) = $0 { gateway } else { nil } }
        let dropped = gateways.filter { taken[$0] == owner }
        guard !dropped.isEmpty else { return }
        let problem = self.problem
        self = Route(gateways: gateways.filter { taken[$0] != owner }, generation: generation)
        let list = dropped.map(\.description).joined(separator: ", ")
        self.problem = [
            problem,
            """
            its gateway \(list) has the address of a pod of cluster \(owner), which is at another priority, and EDS \
            takes an address once; that gateway is left out
            """,
        ].compactMap(\.self).joined(separator: "; ")
    }
}
