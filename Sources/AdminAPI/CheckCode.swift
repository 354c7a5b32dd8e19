/// The codes of checks, and what to do about each: 1xx of Ballast itself, 2xx of a live Envoy, 3xx of a gateway.
public enum CheckCode: String, Codable, CaseIterable, Sendable {
    case nothingWrong = "BAL100"
    case deaf = "BAL101"
    case notReady = "BAL102"
    case staleSource = "BAL111"
    case sourceProblem = "BAL112"
    case configurationRefused = "BAL121"
    case pendingField = "BAL122"
    case oneGateway = "BAL131"
    case noPods = "BAL132"
    case limited = "BAL133"
    case clientRejects = "BAL141"
    case clientSilent = "BAL142"
    case noReports = "BAL151"
    case held = "BAL152"
    case storeFailed = "BAL161"
    case logBookFailed = "BAL162"
    case problem = "BAL171"
    case disconnected = "BAL201"
    case oldVersion = "BAL202"
    case unknownNode = "BAL203"
    case reportsNothing = "BAL204"
    case rejects = "BAL205"
    case notEDS = "BAL206"
    case ignoresWeights = "BAL207"
    case noLocalityWeights = "BAL208"
    case zoneAware = "BAL209"
    case noInternalListener = "BAL210"
    case certificateExpired = "BAL211"
    case ejected = "BAL212"
    case failsCheck = "BAL213"
    case panics = "BAL214"
    case overflows = "BAL215"
    case nameNotServed = "BAL216"
    case slowStart = "BAL217"
    case fixedSNI = "BAL218"
    case endpointsDiffer = "BAL219"
    case panicThreshold = "BAL220"
    case gatewayUnreachable = "BAL301"
    case gatewayDisconnected = "BAL303"
    case sniMissing = "BAL304"
    case sniLeads = "BAL305"
    case sniReset = "BAL306"
    case podCertificateExpired = "BAL307"
    case podSilent = "BAL309"
    case notProbed = "BAL310"

    /// What it means, and what to do.
    public var explanation: String {
        switch self {
        case .nothingWrong: "Ballast found nothing wrong with itself."
        case .deaf: "Ballast's xDS port doesn't answer its own connection. Restart it; its log says more."
        case .notReady:
            "A source has not delivered since the start. Clients are served once each has; see `sources` in /readyz."
        case .staleSource: "The source can't be read: the last good state is served. Mend the source."
        case .sourceProblem: "A part of the source's input is left out. The sentence names it."
        case .configurationRefused:
            "The configuration file has an error; the last good one stays in force. `ballast validate` shows the error."
        case .pendingField: "The field takes effect at the next start only. Restart Ballast."
        case .oneGateway: "All traffic to the cluster depends on one address. Add a second gateway."
        case .noPods: "All requests to the service fail. Check its source, and the names in it."
        case .limited:
            "A share or drain is not fully in force: the ceiling, `maxShare` or the never-empty rule holds it back."
        case .clientRejects: "The client keeps the last version that it accepted. Its message says what it can't use."
        case .clientSilent:
            "The client has not answered a response. It may be overloaded, or a proxy in between may be stuck."
        case .noReports:
            "Without load reports there are no observed shares, and abort conditions can't judge. Add `cluster_manager.load_stats_config` to Envoy's bootstrap, with the xDS cluster."
        case .held: "Pods that their source no longer lists are still served. `ballast release SERVICE` ends that."
        case .storeFailed:
            "Overrides can't be read, so none is in force, or a change could not be written. The sentence names the file."
        case .logBookFailed: "History is kept in memory only. The sentence names the directory."
        case .problem: "Ballast found a problem that doesn't prevent serving. The sentence says what."
        case .disconnected:
            "Envoy has no connection to its xDS server: it keeps what it has. Check the address and TLS of the xDS cluster in its bootstrap."
        case .oldVersion:
            "Ballast is tested with Envoy 1.36 and later. Older ones lack what some kinds of `reach` need."
        case .unknownNode: "Ballast doesn't know this Envoy's node. It asks another server, or has not connected yet."
        case .reportsNothing:
            "This Envoy sends no load reports: add `cluster_manager.load_stats_config` to its bootstrap."
        case .rejects:
            "Envoy rejected an update and keeps the version before. `ballast clients NODE` shows the message."
        case .notEDS:
            "The Envoy cluster gets its hosts elsewhere, so Ballast's weights don't reach it. Use `type: EDS`, or a cluster from Ballast's CDS."
        case .ignoresWeights:
            "The policy ignores endpoint weights, or follows them roughly; shares hold by locality only. Use ROUND_ROBIN, or LEAST_REQUEST with `active_request_bias` 0."
        case .noLocalityWeights:
            "Envoy ignores locality weights without `common_lb_config.locality_weighted_lb_config: {}`: shares of clusters don't hold when pods fail."
        case .zoneAware:
            "Zone-aware routing or subsets choose hosts by rules of their own, over Ballast's weights. Remove them."
        case .noInternalListener:
            "Endpoints lead through an internal listener that this Envoy doesn't have: requests to them fail. Add the bootstrap extension `envoy.bootstrap.internal_listener`, and LDS or the listener."
        case .certificateExpired:
            "A certificate that this Envoy uses has expired, or will within 7 days: peers refuse it then. Renew the file."
        case .ejected:
            "Outlier detection of this Envoy keeps requests from the host; Ballast doesn't know. Look at the pod's errors."
        case .failsCheck: "The host fails this Envoy's active health check, so it gets nothing."
        case .panics:
            "Fewer hosts are healthy than `healthy_panic_threshold`, so Envoy sends to all, weights and drains notwithstanding. Set the threshold to 0."
        case .overflows: "A circuit breaker refuses requests. Raise `circuit_breakers`, or add pods."
        case .nameNotServed:
            "Ballast serves no endpoints under the cluster's EDS name. Add the name to the service's `resources`."
        case .slowStart: "With slow start, new pods get less than their share for a while."
        case .fixedSNI:
            "The TLS context sends one SNI to every host, so a gateway leads all to one place. Set `auto_host_sni: true`."
        case .endpointsDiffer:
            "This Envoy has other endpoints than Ballast serves to it. `ballast diff NODE` lists them."
        case .panicThreshold:
            "With the default threshold of 50 %, Envoy sends to failed and drained pods when fewer than half are healthy. Set `healthy_panic_threshold: {value: 0}`."
        case .gatewayUnreachable: "The gateway's port can't be reached."
        case .gatewayDisconnected: "The gateway has no connection to its xDS server."
        case .sniMissing:
            "The gateway has no route for the SNI: connections to it are reset. Check the gateway's clusters."
        case .sniLeads: "The SNI leads to the pod."
        case .sniReset: "The gateway resets the connection, although it knows the SNI: it can't connect to the pod."
        case .podCertificateExpired: "The pod behind the SNI shows an expired certificate: clients that verify it fail."
        case .notProbed: "The gateway has more SNIs than a check probes. The others are not known."
        case .podSilent: "Nothing answered in time. Not known whether the pod is well."
        }
    }
}

/// The result of a check, the worst first.
public enum CheckState: String, Codable, CaseIterable, Comparable, Sendable {
    /// Traffic suffers, or will.
    case fail
    /// Worth a look.
    case warn
    /// The check could not be made.
    case unknown
    /// Nothing is wrong.
    case ok

    /// The worse state is less.
    public static func < (left: CheckState, right: CheckState) -> Bool {
        (allCases.firstIndex(of: left) ?? 0) < (allCases.firstIndex(of: right) ?? 0)
    }
}
