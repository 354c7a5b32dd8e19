import AdminAPI
import Foundation

/// One finding of `ballast check`.
struct Finding {
    var place: String
    var state: CheckState
    var code: CheckCode
    var says: String
}

/// What `ballast check` asks a live Envoy.
struct EnvoyChecks {
    let envoy: EnvoyAdminClient
    let server: AdminClient
    private(set) var findings: [Finding] = []
    private(set) var node = ""

    init(_ envoy: EnvoyAdminClient, server: AdminClient) {
        self.envoy = envoy
        self.server = server
    }

    private mutating func add(_ state: CheckState, _ code: CheckCode, _ says: String) {
        findings.append(Finding(place: node.isEmpty ? "envoy" : node, state: state, code: code, says: says))
    }

    mutating func run() async throws {
        let bootstrap = try await envoy.json(
            "/config_dump",
            query: [
                (
                    "mask",
                    "bootstrap.node.id,bootstrap.node.user_agent_build_version.version,bootstrap.cluster_manager,bootstrap.bootstrap_extensions"
                )
            ])?["configs"].array?.first { $0["bootstrap"].exists }?["bootstrap"]
        node = bootstrap?["node"]["id"].string ?? ""
        checkBootstrap(bootstrap ?? JSON(nil))
        try await checkConnection()
        let hosts = try await envoy.hosts()
        let served = try await served()
        try await checkClusters(hosts, served)
        checkHosts(hosts, served)
        try await checkListeners(hosts)
        try await checkCertificates()
        if findings.isEmpty { add(.ok, .nothingWrong, "nothing is wrong with this Envoy") }
    }

    // MARK: What Ballast serves

    /// By EDS name, the endpoints that Ballast serves to this Envoy.
    private struct Served {
        var endpoints: [String: [ServicePage.Endpoint]] = [:]
        var isKnown = false
    }

    private mutating func served() async throws -> Served {

        let clients = try await server.get(ClientsPage.self, .clients, query: [("node", node)])
        let client = clients.clients.first { $0.view != nil }
        if client == nil { add(.fail, .unknownNode, "Ballast has no client of the name \(node)") }
        if let rejected = clients.clients.first(where: { $0.state == "NACKED" }) {
            add(.fail, .rejects, rejected.note ?? "it rejects what it is sent")
        }
        var served = Served(isKnown: client != nil)
        let services = try await server.services(view: client?.view, audience: client?.audience).services
        for service in services {
            for resource in service.resources { served.endpoints[resource.name] = service.endpoints }
        }
        return served
    }

    // MARK: Bootstrap and connection

    private mutating func checkBootstrap(_ bootstrap: JSON) {
        let version = bootstrap["node"]["user_agent_build_version"]["version"]
        if let minor = version["minor_number"].number, version["major_number"].number == 1, minor < 36 {
            add(.warn, .oldVersion, "Envoy 1.\(Int(minor)), and Ballast is tested with 1.36 and later")
        }
        if !bootstrap["cluster_manager"]["load_stats_config"].exists {
            add(.warn, .reportsNothing, "the bootstrap has no cluster_manager.load_stats_config")
        }
    }

    private mutating func checkConnection() async throws {
        // Without ADS each Envoy cluster has a stream of its own.
        let stats = try await envoy.stats(#"control_plane\.connected_state$"#)
        for (name, value) in stats.sorted(by: { $0.key < $1.key }) where value == 0 {
            add(.fail, .disconnected, "\(name) is 0")
        }
        let dump = try await envoy.json(
            "/config_dump", query: [("resource", "dynamic_listeners"), ("mask", "name,error_state.details")])
        for listener in dump?["configs"].array ?? [] where listener["name"].string != nil {
            guard let details = listener["error_state"]["details"].string else { continue }
            add(.fail, .rejects, "listener \(listener["name"].string ?? ""): \(details)")
        }
    }

    // MARK: Clusters

    private mutating func checkClusters(_ hosts: [EnvoyHosts], _ served: Served) async throws {
        let clusters = try await envoy.clusters([
            "name", "type", "cluster_type", "lb_policy", "load_balancing_policy", "least_request_lb_config",
            "round_robin_lb_config", "common_lb_config", "lb_subset_config", "transport_socket",
            "eds_cluster_config.service_name",
        ])
        let names = Set(served.endpoints.keys)
        for cluster in clusters {
            let name = cluster["name"].string ?? ""
            let resource = cluster["eds_cluster_config"]["service_name"].string ?? name
            guard cluster["type"].string == "EDS" else {
                if names.contains(name) {
                    add(
                        .fail, .notEDS,
                        "cluster \(name): type \(cluster["type"].string ?? cluster["cluster_type"]["name"].string ?? "STATIC")"
                    )
                }
                continue
            }
            if served.isKnown, !names.contains(resource) {
                add(.fail, .nameNotServed, "cluster \(name): Ballast serves no endpoints under \(resource)")
                continue
            }
            checkPolicy(cluster, name)
            if cluster["round_robin_lb_config"]["slow_start_config"].exists
                || cluster["least_request_lb_config"]["slow_start_config"].exists
            {
                add(.warn, .slowStart, "cluster \(name): slow_start_config")
            }
            let socket = cluster["transport_socket"]["typed_config"]
            let isRemote = (served.endpoints[resource] ?? []).contains { $0.address.contains("/") }
            if isRemote, let sni = socket["sni"].string, !socket["auto_host_sni"].bool {
                add(.fail, .fixedSNI, "cluster \(name): every host gets the SNI \(sni)")
            }
            try await checkStatistics(name)
        }
        let warming = try await envoy.json(
            "/config_dump",
            query: [
                ("resource", "dynamic_warming_clusters"),
                ("mask", "cluster.name,cluster.eds_cluster_config.service_name"),
            ])
        for entry in warming?["configs"].array ?? [] {
            guard let name = entry["cluster"]["name"].string else { continue }
            let resource = entry["cluster"]["eds_cluster_config"]["service_name"].string ?? name
            add(.fail, .nameNotServed, "cluster \(name) waits for endpoints under \(resource)")
        }
    }

    private mutating func checkPolicy(_ cluster: JSON, _ name: String) {
        let extensionType = cluster["load_balancing_policy"]["policies"].array?.first?["typed_extension_config"][
            "typed_config"]
        let policy =
            extensionType.flatMap { $0["@type"].string }?.split(separator: ".").last.map(String.init)
            ?? cluster["lb_policy"].string ?? "ROUND_ROBIN"
        let bias = cluster["least_request_lb_config"]["active_request_bias"]
        let isEven = bias.exists && !bias["default_value"].exists
        switch policy {
        case "ROUND_ROBIN", "RoundRobin", "WrrLocality": break
        case "LEAST_REQUEST", "LeastRequest":
            if !isEven {
                add(.warn, .ignoresWeights, "cluster \(name): policy \(policy) follows weights only roughly")
            }
        case "RING_HASH", "MAGLEV", "RingHash", "Maglev":
            add(.warn, .ignoresWeights, "cluster \(name): policy \(policy) follows weights by keys")
        default:
            add(
                .fail, .ignoresWeights,
                "cluster \(name): policy \(policy). Envoy ignores endpoint weights; shares hold by locality only. Set ROUND_ROBIN."
            )
        }
        let common = cluster["common_lb_config"]
        let inExtension = extensionType?["locality_lb_config"]["locality_weighted_lb_config"].exists ?? false
        if common["zone_aware_lb_config"].exists || cluster["lb_subset_config"].exists {
            add(
                .fail, .zoneAware,
                "cluster \(name): \(cluster["lb_subset_config"].exists ? "lb_subset_config" : "zone_aware_lb_config")")
        } else if !common["locality_weighted_lb_config"].exists, !inExtension, policy != "WrrLocality" {
            add(.fail, .noLocalityWeights, "cluster \(name): no locality_weighted_lb_config")
        }
        // `{}` is 0; without the field it is 50.
        let threshold = common["healthy_panic_threshold"]
        if !threshold.exists || (threshold["value"].number ?? 0) > 0 {
            add(
                .warn, .panicThreshold,
                "cluster \(name): healthy_panic_threshold \(Int(threshold["value"].number ?? 50)) %")
        }
    }

    private mutating func checkStatistics(_ name: String) async throws {
        let escaped = NSRegularExpression.escapedPattern(for: name)
        let prefix = "cluster.\(name)."
        let stats = try await envoy.stats(
            "^cluster\\.\(escaped)\\.(lb_healthy_panic|update_failure|init_fetch_timeout|update_success|upstream_rq_pending_overflow)$"
        )
        if (stats[prefix + "lb_healthy_panic"] ?? 0) > 0 {
            let pause = ContinuousClock.now + .seconds(1)
            try await Task.sleep(until: pause)
            let later = try await envoy.stats("^cluster\\.\(escaped)\\.lb_healthy_panic$")
            if (later[prefix + "lb_healthy_panic"] ?? 0) > (stats[prefix + "lb_healthy_panic"] ?? 0) {
                add(.fail, .panics, "cluster \(name) is in panic now")
            } else {
                add(
                    .warn, .panics,
                    "cluster \(name) was in panic for \(Int(stats[prefix + "lb_healthy_panic"] ?? 0)) requests")
            }
        }
        if let overflow = stats[prefix + "upstream_rq_pending_overflow"], overflow > 0 {
            add(.warn, .overflows, "cluster \(name): \(Int(overflow)) requests refused by a circuit breaker")
        }
        guard stats[prefix + "update_success"] == 0 else { return }
        if (stats[prefix + "update_failure"] ?? 0) > 0 {
            add(.fail, .disconnected, "cluster \(name) has never received endpoints, and can't connect to its server")
        } else if (stats[prefix + "init_fetch_timeout"] ?? 0) > 0 {
            add(.fail, .nameNotServed, "cluster \(name): no endpoints came in time")
        }
    }

    // MARK: Hosts

    private mutating func checkHosts(_ hosts: [EnvoyHosts], _ served: Served) {
        for cluster in hosts {
            for host in cluster.hosts {
                if host.isEjected {
                    add(.warn, .ejected, "\(cluster.cluster): \(host.address) is ejected by outlier detection")
                }
                if host.failsCheck {
                    add(.warn, .failsCheck, "\(cluster.cluster): \(host.address) fails its health check")
                }
            }
            guard served.isKnown, let wanted = served.endpoints[cluster.resource] else { continue }
            let differences = EndpointDifference.all(wanted, cluster.hosts).filter(\.isDifferent)
            if let first = differences.first {
                add(
                    .warn, .endpointsDiffer,
                    "\(cluster.cluster): \(differences.count) endpoints differ from what Ballast serves, such as \(first.address)"
                )
            }
        }
    }

    private mutating func checkListeners(_ hosts: [EnvoyHosts]) async throws {
        let wanted = Set(hosts.flatMap(\.hosts).compactMap(\.listener))
        guard !wanted.isEmpty else { return }
        let page = try await envoy.json("/listeners", query: [("format", "json")])
        let known = Set(
            (page?["listener_statuses"].array ?? []).compactMap {
                $0["local_address"]["envoy_internal_address"]["server_listener_name"].string
            })
        for name in wanted.subtracting(known).sorted() {
            add(
                .fail, .noInternalListener,
                "endpoints lead through the internal listener \(name), which this Envoy doesn't have")
        }
    }

    private mutating func checkCertificates() async throws {
        let page = try await envoy.json("/certs")
        for entry in page?["certificates"].array ?? [] {
            for certificate in (entry["cert_chain"].array ?? []) + (entry["ca_cert"].array ?? []) {
                guard let text = certificate["expiration_time"].string, let end = try? Date(text, strategy: .iso8601)
                else { continue }
                let path = certificate["path"].string ?? "inline"
                if end <= Date() {
                    add(.fail, .certificateExpired, "\(path) expired at \(text)")
                } else if end.timeIntervalSinceNow < 7 * 86_400 {
                    add(.warn, .certificateExpired, "\(path) expires at \(text)")
                }
            }
        }
    }
}
