import Model

/// How the clients of one cluster reach another cluster's pods of one service.
struct Route: Hashable, Sendable {
    enum Endpoints: Hashable, Sendable {
        /// One endpoint for each pod, identified as the associated value says.
        case pods(PodIdentity)
        /// Addresses that each lead to any of the pods.
        ///
        /// A new generation makes clients open new connections.
        case shared([Assignment.Endpoint.Address], generation: String?)
    }

    /// What distinguishes the endpoint of one pod from another's.
    enum PodIdentity: Hashable, Sendable {
        /// The pod's address.
        case address
        /// The pod's address, through one of these HTTP CONNECT proxies.
        case proxied([SocketAddress])
        /// An SNI for each pod name, through an internal listener in the client.
        case sni([String: String], listener: String)
        /// An authority for each pod name, for tunnels through an internal listener in the client.
        case tunnel([String: String], listener: String)
    }

    var endpoints: Endpoints
    /// The route in words, such as `reached directly`.
    var description: String
    /// Why this isn't the configured route; nil if it is.
    var problem: String?

    /// The gateways that are drained, if clients know gateways by their addresses.
    var drained: [SocketAddress] = []

    /// Clients can't use the gateways.
    static let none = Route(
        endpoints: .shared([], generation: nil), description: "not reached: tunnels need `lanes: true`, and Envoy 1.38")

    /// Clients connect to the pods.
    static let direct = Route(endpoints: .pods(.address), description: "reached directly")

    /// The number of addresses that share the cluster's weight, each at least 1; 0 if no pod is reachable.
    var parts: Int {
        switch endpoints {
        case .pods(.proxied(let proxies)): min(1, proxies.count)
        case .pods: 1
        case .shared(let addresses, _): addresses.count
        }
    }

    /// Whether a pod can be an endpoint of its own: a tunnel needs an authority.
    func reaches(_ pod: Pod) -> Bool {
        guard case .pods(.tunnel(let authorities, _)) = endpoints else { return true }
        return authorities[pod.name] != nil
    }

    /// Whether each pod is an endpoint.
    var sendsPods: Bool { if case .pods = endpoints { true } else { false } }

    /// Whether pods' own addresses are sent.
    var sendsPodAddresses: Bool {
        switch endpoints {
        case .pods(.address), .pods(.proxied): true
        case .pods(.sni), .pods(.tunnel), .shared: false
        }
    }
}

extension Route {
    /// Creates the route that the cluster's `reach` asks for, or else the route through its gateways with the reason.
    ///
    /// - Parameters:
    ///   - pods: the pods that may be sent.
    ///   - taken: addresses that are endpoints already, with their clusters.
    init(
        to cluster: Cluster, of service: Service, for capabilities: ClientCapabilities, renewal: Renewal?,
        pods: [Pod], taken: [SocketAddress: ClusterName], drained: Set<SocketAddress> = []
    ) {
        let gateways = Set(cluster.gateways).subtracting(drained).sorted()
        let drained = drained.sorted()
        self.init(gateways: gateways, drained: drained)
        guard cluster.reach.acceptsEveryClient || capabilities.supportsTunnels else {
            self = .none
            return
        }
        guard capabilities.supportsEveryReach || cluster.reach.kind == .gateway else { return }
        let listener = cluster.name.gatewayListener
        switch cluster.reach {
        case .gateway(let refresh):
            self = Route(gateways: gateways, generation: refresh ? renewal?.generation : nil, drained: drained)
        case .lanes(let settings):
            let count = settings.count(pods: pods.count { $0.health == .healthy }, gateways: gateways.count)
            let lanes = renewal?.lanes ?? (0..<count).map { "lane-\($0)" }
            endpoints = .shared(lanes.map { .listener(listener, id: $0) }, generation: nil)
            self.drained = []
            description = "reached in \(lanes.count) lanes"
        case .pods(let template):
            do throws(SNITemplate.Problem) {
                endpoints = .pods(
                    .sni(try template.names(of: pods, of: service, in: cluster.name), listener: listener))
                description = "each reached by its own SNI"
                self.drained = []
            } catch {
                problem = "\(error); reached through its gateways instead"
            }
        case .hbone(let settings):
            let (authorities, missing) = settings.authorities.authorities(of: pods, of: service, in: cluster.name)
            endpoints = .pods(.tunnel(authorities, listener: cluster.name.podListener))
            description = "each reached by its own tunnel"
            problem = missing
            self.drained = []
        case .connect:
            if let pod = pods.first(where: { taken[$0.address] != nil }), let owner = taken[pod.address] {
                problem = """
                    pod \(pod.name) has the address \(pod.address) of a pod of cluster \(owner), and EDS takes an address \
                    once; reached through its gateways instead
                    """
            } else {
                endpoints = .pods(.proxied(gateways))
                self.drained = []
                let proxies = gateways.count == 1 ? "the proxy" : "one of \(gateways.count) proxies"
                description = "each reached through \(proxies)"
            }
        }
    }

    private init(gateways: [SocketAddress], generation: String? = nil, drained: [SocketAddress] = []) {
        self.init(
            endpoints: .shared(gateways.map { .socket($0) }, generation: generation),
            description: "reached through \(gateways.count) \(gateways.count == 1 ? "gateway" : "gateways")",
            drained: drained)
        if !drained.isEmpty { description += ", \(drained.count) more drained" }
    }

    /// Leaves out gateways that share their address with a pod of another priority.
    ///
    /// EDS takes an address once, and weights of two priorities can't be added.
    ///
    /// - Parameters:
    ///   - taken: addresses that are endpoints already, with their clusters.
    ///   - owner: the cluster at the other priority.
    mutating func leaveOut(_ taken: [SocketAddress: ClusterName], of owner: ClusterName) {
        guard case .shared(let addresses, let generation) = endpoints else { return }
        let gateways = addresses.compactMap { if case .socket(let gateway) = $0 { gateway } else { nil } }
        drained.removeAll { taken[$0] == owner }
        let (problem, drained) = (self.problem, self.drained)
        let dropped = gateways.filter { taken[$0] == owner }
        guard !dropped.isEmpty else { return }
        self = Route(gateways: gateways.filter { taken[$0] != owner }, generation: generation, drained: drained)
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
