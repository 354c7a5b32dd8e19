import EnvoyAPI
import GRPCTransport
import Logging
import MeshConfiguration
import Model
import XDS

/// Who is at the other end of a stream, whose view it gets, and whether it may.
struct ClientSession {
    let head: StreamHead
    /// Nil before the first request: only a stream's first is sure to have it.
    private(set) var node: Node?
    /// Nil until the sources have synced: nobody is answered before.
    private(set) var snapshot: Snapshot?
    /// Whose view is served; nil until both the node and a snapshot are known.
    private(set) var viewer: Viewer?
    /// What the viewer sees; nil until it has been built.
    private(set) var view: Snapshot.View?
    /// Why it refuses the listeners that endpoints lead through; nil while it doesn't.
    private(set) var listenerRejection: String?
    /// Where it is served its listeners from, so that it may take later ones, while it refuses them.
    private var listenerViewer: Viewer?
    /// What that sees.
    private(set) var listenerView: Snapshot.View?
    /// Whose views are built because of this session: its own, and the one of its listeners.
    private var held: (own: Viewer?, listeners: Viewer?)
    /// Whose view it was when there was one.
    private var lastServed: Viewer?
    /// Why it may not see that.
    private var refusal: GRPCStatus?
    private let demand: Demand
    private let warnings: WarningLimit
    private let logger: Logger

    init(_ head: StreamHead, snapshot: Snapshot?, demand: Demand, warnings: WarningLimit, logger: Logger) {
        self.warnings = warnings
        self.head = head
        self.snapshot = snapshot
        self.demand = demand
        self.logger = logger
    }

    /// Learns who it is; later nodes of a stream repeat the first.
    mutating func greet(_ node: Node?) {
        guard self.node == nil else { return }
        let node = node ?? Node()
        self.node = node
        logger.debug(
            "client connected", metadata: metadata(["method": "\(head.method)", "agent": "\(node.userAgent)"]))
        findViewer()
        for (field, values) in [
            ("role", ["gateway", Node.peerRole]), ("lanes", ["true", "false"]), ("leds", ["true", "false"]),
        ] {
            guard let value = node.metadata[field], !values.contains(value) else { continue }
            warn("the node's metadata has a value that means nothing, and is as good as absent") {
                ["\(field)": "\(value.prefix(utf8Count: 100))", "known": "\(values.joined(separator: ", "))"]
            }
        }
        if let claimed = node.metadata["cluster"], let viewer, viewer.cluster.rawValue != claimed {
            warn("the node's metadata names a cluster that the configuration doesn't have") {
                ["cluster": "\(claimed)", "served as": "\(viewer.cluster)"]
            }
        }
    }

    /// Takes a newer snapshot.
    ///
    /// - Returns: whether the client gets another view now, or its first; nil if it has a newer snapshot.
    mutating func take(_ item: PublicationQueue.Item) -> Bool? {
        guard item.publication.snapshot.number > snapshot?.number ?? 0 else { return nil }
        snapshot = item.publication.snapshot
        guard node != nil else { return false }
        let (lastViewer, hadView) = (viewer, view != nil)
        if item.hasNewRoster || viewer == nil {
            findViewer()
        } else {
            findView()
        }
        return viewer != lastViewer || !hadView && view != nil
    }

    /// Notes whether it takes the listeners that endpoints lead through: while it doesn't, it gets endpoints without them.
    ///
    /// - Returns: whether that is new.
    mutating func note(listenerRejection reason: String?) -> Bool {
        let isNew = (reason == nil) != (listenerRejection == nil)
        guard isNew, reason == nil || viewer?.audience == .lanes else { return false }
        listenerRejection = reason.map { reason in
            reason.prefix(utf8Count: 500).split(whereSeparator: \.isNewline).joined(separator: " ")
        }
        findViewer()
        if reason != nil {
            warn("a client refuses its listeners, and is served gateway addresses only until it takes them") {
                ["reason": "\(listenerRejection ?? "")", "hint": "\(Self.listenerHint)"]
            }
        } else if warnings.take(about: head.peer) != .suppressed {
            logger.info("a client takes its listeners now", metadata: metadata([:]))
        }
        return true
    }

    /// What changed of what it sees.
    var changes: [(type: TypeURL, names: ChangedNames)] {
        guard let listenerView else { return view?.changes ?? [] }
        return (view?.changes ?? []).filter { $0.type != .listener }
            + listenerView.changes.filter { $0.type == .listener }
    }

    /// Ends the stream of a client that may not see what it asks for.
    func authorize() throws(GRPCStatus) {
        guard let refusal else { return }
        warn("client refused", refusal.message)
        throw refusal
    }

    private mutating func findViewer() {
        // Until all is known, only what is exported is served.
        guard let node, let snapshot, snapshot.isComplete || node.isPeer else { return }
        var viewer = Viewer(node, Method.at(head.method), in: snapshot.roster)
        if node.isPeer {
            let export = export(in: snapshot.roster)
            viewer = Viewer(cluster: snapshot.roster.defaultCluster, audience: .plain, peer: export?.peer ?? "")
            refusal = export == nil ? GRPCStatus(.permissionDenied, "nothing is exported to \(claim) (export)") : nil
        } else {
            refusal = refusal(of: viewer, in: snapshot.roster)
        }
        listenerViewer = nil
        if listenerRejection != nil, viewer.audience == .lanes {
            listenerViewer = viewer
            viewer.audience = .plain
        }
        self.viewer = viewer
        findView()
    }

    private mutating func findView() {
        guard let viewer, let snapshot else { return }
        // Load reports are about what is sent, whichever way.
        let isReport = head.method == LoadReport.method
        view = isReport ? snapshot.services(of: viewer) : snapshot.views[viewer]
        listenerView = listenerViewer.flatMap { snapshot.views[$0] }
        let isOther = isReport && view != nil && snapshot.views[viewer] == nil
        let isHeld = refusal == nil && !isOther
        Self.replace(&held.own, with: isHeld ? viewer : nil, demand)
        Self.replace(&held.listeners, with: isHeld ? listenerViewer : nil, demand)
        guard view != nil, viewer != lastServed else { return }
        lastServed = viewer
        logNotes()
    }

    private static func replace(_ held: inout Viewer?, with viewer: Viewer?, _ demand: Demand) {
        guard viewer != held else { return }
        if let viewer { demand.hold(viewer) }
        if let held { demand.release(held) }
        held = viewer
    }

    /// What is exported to whom its certificate names; the first of several.
    private func export(in roster: Roster) -> Configuration.Export? {
        roster.exports.first { export in head.identities.contains { export.identity.matches($0) } }
    }

    private func refusal(of viewer: Viewer, in roster: Roster) -> GRPCStatus? {
        guard let access = roster.access else {
            // Who is there to import sees what is exported, and no more by saying less.
            guard export(in: roster) != nil else { return nil }
            return GRPCStatus(
                .permissionDenied, "\(claim) may import what is exported to it, and see nothing else (export)")
        }
        let rules = access.rules.filter { rule in head.identities.contains { rule.identity.matches($0) } }
        let role: Access.Role = viewer.audience == .gateway ? .gateway : .client
        guard !rules.contains(where: { $0.permits(viewer.cluster, as: role) }) else { return nil }
        return GRPCStatus(
            .permissionDenied,
            rules.isEmpty
                ? "\(claim) may not connect (xds.tls.allow)"
                : "\(claim) may not see the view of cluster \(viewer.cluster) as a \(role) (xds.tls.allow)"
        )
    }

    /// The memory that is kept of the node, in bytes; about.
    var nodeBytes: Int {
        guard let node else { return 0 }
        let texts = [
            node.id, node.cluster, node.userAgent, node.locality.region, node.locality.zone, node.locality.subZone,
        ]
        return (texts + node.metadata.values).reduce(0) { $0 + $1.utf8.count }
    }

    /// Who its certificate says it is, for people.
    private var claim: String {
        head.identities.isEmpty ? "nobody" : head.identities.map(\.description).joined(separator: ", ")
    }

    /// The clusters of which it gets gateway addresses only, though they can be reached better.
    var reduced: [ClusterName] { view?.content.reduced ?? [] }

    /// What it is told less well than it could be; each a sentence.
    var notes: [String] {
        var notes: [String] = []
        if let listenerRejection {
            notes.append(
                """
                gets gateway addresses only, since it refuses its listeners: \(listenerRejection). \(Self.listenerHint)
                """)
        } else if !reduced.isEmpty {
            let clusters = reduced.map(\.rawValue).joined(separator: ", ")
            notes.append(
                "gets gateway addresses only for \(clusters): gRPC, or its node metadata doesn't say lanes: true")
        }
        return notes + [ledsNote].compactMap(\.self)
    }

    private static let listenerHint = """
        Its bootstrap needs the extension envoy.bootstrap.internal_listener, as envoy-configs/client.yaml has it; or take \
        lanes: true out of its node metadata
        """

    /// Why it is not served collections, where it would be if it survived them.
    private var ledsNote: String? {
        guard let node, let snapshot, let viewer, !node.survivesLEDS,
            Viewer.takesLEDS(viewer.audience, Method.at(head.method)), node.wantsLEDS(in: snapshot.roster)
        else { return nil }
        let version = node.envoyVersion.map { "Envoy \($0)" } ?? "an Envoy that doesn't say its version"
        return """
            gets whole assignments although it asks for LEDS: collections end \(version); from \
            \(EnvoyVersion.survivesCollections) on they don't
            """
    }

    func warn(_ what: String, _ reason: String) { warn(what) { ["reason": "\(reason)"] } }

    /// Logs a warning, unless there were too many about this client lately.
    func warn(_ what: String, _ facts: () -> Logger.Metadata) {
        guard case .logged(let suppressed) = warnings.take(about: head.peer) else { return }
        var facts = facts()
        if suppressed > 0 { facts["suppressed before"] = "\(suppressed)" }
        logger.warning("\(what)", metadata: metadata(facts))
    }

    /// The stream is over.
    mutating func end(_ status: GRPCStatus) {
        Self.replace(&held.own, with: nil, demand)
        Self.replace(&held.listeners, with: nil, demand)
        logger.debug("stream closed", metadata: metadata(["status": "\(status)"]))
    }

    /// Facts for a log line, and whose stream it is.
    private func metadata(_ more: Logger.Metadata) -> Logger.Metadata {
        more.merging(["node": "\(node?.id ?? "")", "peer": "\(head.peer)"]) { given, _ in given }
    }

    private func logNotes() {
        if let ledsNote { warn(ledsNote) { [:] } }
        guard !reduced.isEmpty, listenerRejection == nil, warnings.take(about: head.peer) != .suppressed else { return }
        logger.info(
            "client gets gateway addresses only",
            metadata: metadata([
                "clusters": "\(reduced.map(\.rawValue).joined(separator: ","))",
                "reason": "\(node?.isGRPC == true ? "gRPC" : "its node metadata doesn't say lanes: true")",
            ])
        )
    }
}

extension IdentityPattern {
    fileprivate func matches(_ identity: PeerIdentity) -> Bool {
        switch identity {
        case .uri(let name): matches(uri: name)
        case .dns(let name): matches(dns: name)
        }
    }
}
