import EnvoyAPI
import GRPCTransport
import Intent
import Logging
import Model
import Snapshots
import XDS

/// What all sessions share.
struct SessionContext: Sendable {
    let access: AccessControl
    let demand: Demand
    let warnings: WarningLimit
    /// Whether Envoys that don't set `leds` in their node metadata use LEDS.
    let servesLEDS: Bool
    let logger: Logger
}

/// The client of a stream: its identity, its view, and whether it is authorized.
struct ClientSession {
    /// The stage of the session.
    private enum Stage {
        /// The first request has not arrived, or the sources have not synced.
        case waiting
        /// The client isn't authorized for the view that it asks for.
        case refused(ViewKey?, GRPCStatus)
        case assigned(Assigned)
    }

    /// The view that the client is served.
    private struct Assigned {
        var key: ViewKey
        /// Nil until the view has been built.
        var view: Snapshot.View?
        /// Set while the client rejects the listeners that endpoints lead through.
        var refusedListeners: RefusedListeners?
    }

    /// The view whose listeners the client rejected; it still gets their updates, so that it can accept a later
    /// version.
    private struct RefusedListeners {
        var key: ViewKey
        var view: Snapshot.View?
    }

    let head: StreamHead
    private let context: SessionContext
    /// Nil before the first request; later requests may leave the node out.
    private(set) var node: Node?
    private var stage = Stage.waiting
    /// Nil until the sources have synced.
    private(set) var snapshot: Snapshot?
    /// Why the client rejected the listeners that endpoints lead through; nil while it accepts them.
    private(set) var listenerRejection: String?
    /// The views that this session keeps in use: its own, and that of its listeners.
    private var held: (own: ViewKey?, listeners: ViewKey?)
    /// The view for which notes were last logged.
    private var lastLogged: ViewKey?

    init(_ head: StreamHead, snapshot: Snapshot?, _ context: SessionContext) {
        self.head = head
        self.snapshot = snapshot
        self.context = context
    }

    /// The view that the client is served or asked for; nil until it is known.
    var view: ViewKey? {
        switch stage {
        case .waiting: nil
        case .refused(let key, _): key
        case .assigned(let assigned): assigned.key
        }
    }

    /// The content of the view; nil until it has been built.
    var content: Snapshot.View? { if case .assigned(let assigned) = stage { assigned.view } else { nil } }

    /// The resources of a type that the client is served.
    func index(_ type: TypeURL) -> ResourceIndex? {
        guard case .assigned(let assigned) = stage, let view = assigned.view else { return nil }
        if type == .listener, let listeners = assigned.refusedListeners?.view { return listeners.index(type) }
        return view.index(type)
    }

    /// The changes in what the client is served.
    var changes: [(type: TypeURL, names: ChangedNames)] {
        guard case .assigned(let assigned) = stage else { return [] }
        let changes = assigned.view?.changes ?? []
        guard let listeners = assigned.refusedListeners?.view else { return changes }
        return changes.filter { $0.type != .listener } + listeners.changes.filter { $0.type == .listener }
    }

    // MARK: Events

    /// Sets the node from the first request; later nodes of a stream repeat it.
    mutating func receive(node: Node?) {
        guard self.node == nil else { return }
        let node = node ?? Node()
        self.node = node
        context.logger.debug(
            "client connected", metadata: metadata(["method": "\(head.method)", "agent": "\(node.userAgent)"]))
        assign()
        for (field, values) in Node.knownValues {
            guard let value = node.metadata[field], !values.contains(value) else { continue }
            warn("the node's metadata has a value that means nothing, and is as good as absent") {
                ["\(field)": "\(value.prefix(utf8Count: 100))", "known": "\(values.joined(separator: ", "))"]
            }
        }
        if let claimed = node.metadata["cluster"], let served = view?.client?.cluster, served.rawValue != claimed {
            warn("the node's metadata names a cluster that the configuration doesn't have") {
                ["cluster": "\(claimed)", "served as": "\(served)"]
            }
        }
    }

    /// Advances to a newer snapshot.
    ///
    /// - Returns: whether the view changed or got its first content; nil if the snapshot isn't newer.
    mutating func advance(to item: PublicationQueue.Item) -> Bool? {
        guard item.publication.snapshot.number > snapshot?.number ?? 0 else { return nil }
        snapshot = item.publication.snapshot
        let (lastView, hadContent) = (view, content != nil)
        if item.changesFederation || view == nil { assign() } else { findContent() }
        return view != lastView || !hadContent && content != nil
    }

    /// Checks again whether the client may be served.
    mutating func reviewAccess() { assign() }

    /// Notes whether the client accepts the listeners that endpoints lead through; while it doesn't, it gets gateway
    /// addresses.
    ///
    /// - Returns: whether that changed.
    mutating func note(listenerRejection reason: String?) -> Bool {
        let isNew = (reason == nil) != (listenerRejection == nil)
        guard isNew, reason == nil || view?.client?.kind.capabilities.supportsEveryReach == true else { return false }
        listenerRejection = reason.map { reason in
            reason.prefix(utf8Count: 500).split(whereSeparator: \.isNewline).joined(separator: " ")
        }
        assign()
        if reason != nil {
            warn("a client refuses its listeners, and is served gateway addresses only until it takes them") {
                ["reason": "\(listenerRejection ?? "")", "hint": "\(Self.listenerHint)"]
            }
        } else if context.warnings.admit(about: head.peer) != .suppressed {
            context.logger.info("a client takes its listeners now", metadata: metadata([:]))
        }
        return true
    }

    /// Throws if the client isn't authorized for the view that it asks for, which ends the stream.
    func authorize() throws(GRPCStatus) {
        guard case .refused(_, let refusal) = stage else { return }
        warn("client refused", refusal.message)
        throw refusal
    }

    /// Releases the session's views when the stream ends.
    mutating func end(_ status: GRPCStatus) {
        hold(nil, listeners: nil)
        context.logger.debug("stream closed", metadata: metadata(["status": "\(status)"]))
    }

    // MARK: Which view

    private mutating func assign() {
        // Until the sources have synced, only other Ballasts are served.
        guard let node, let snapshot, snapshot.isComplete || node.isPeer else { return }
        var key: ViewKey
        do throws(GRPCStatus) {
            key = try context.access.view(
                of: node, on: head, in: snapshot.federation, servesLEDS: context.servesLEDS)
        } catch {
            let asked = ClientView(node, head, in: snapshot.federation, servesLEDS: context.servesLEDS)
            stage = .refused(node.isPeer ? nil : .client(asked), error)
            hold(nil, listeners: nil)
            return
        }
        var refusedListeners: RefusedListeners?
        if listenerRejection != nil, case .client(var view) = key, view.kind.capabilities.supportsEveryReach {
            refusedListeners = RefusedListeners(key: key)
            view.kind = .plain
            key = .client(view)
        }
        stage = .assigned(Assigned(key: key, refusedListeners: refusedListeners))
        findContent()
    }

    private mutating func findContent() {
        guard case .assigned(var assigned) = stage, let snapshot else { return }
        // A load report fits either view, with LEDS or without.
        let isReport = head.method == LoadReport.method
        assigned.view = isReport ? snapshot.services(of: assigned.key) : snapshot[assigned.key]
        let listeners = assigned.refusedListeners?.key
        assigned.refusedListeners?.view = listeners.flatMap { snapshot[$0] }
        stage = .assigned(assigned)
        let isOther = isReport && assigned.view != nil && snapshot[assigned.key] == nil
        hold(isOther ? nil : assigned.key, listeners: listeners)
        guard assigned.view != nil, assigned.key != lastLogged else { return }
        lastLogged = assigned.key
        logNotes()
    }

    private mutating func hold(_ own: ViewKey?, listeners: ViewKey?) {
        context.demand.replace(held.own, with: own)
        context.demand.replace(held.listeners, with: listeners)
        held = (own, listeners)
    }

    /// The approximate memory of the node, in bytes.
    var nodeBytes: Int {
        guard let node else { return 0 }
        let texts = [
            node.id, node.cluster, node.userAgent, node.locality.region, node.locality.zone, node.locality.subZone,
        ]
        return (texts + node.metadata.values).reduce(0) { $0 + $1.utf8.count }
    }

    // MARK: Notes

    /// Sentences about what the client can't be served.
    var notes: [String] {
        var notes: [String] = []
        let reduced = content?.reduced ?? []
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
        if let unreached = content?.unreached, !unreached.isEmpty {
            notes.append(
                """
                gets no endpoints of \(unreached.map(\.rawValue).joined(separator: ", ")), whose gateways accept tunnels \
                only: they need lanes: true in the node metadata, and Envoy \(EnvoyVersion.firstWithTunnels)
                """)
        }
        return notes + [ledsNote].compactMap(\.self)
    }

    private static let listenerHint = """
        Its bootstrap needs the extension envoy.bootstrap.internal_listener, as envoy-configs/client.yaml has it; or take \
        lanes: true out of its node metadata
        """

    /// Why the client doesn't get LEDS although it asks for it; nil if it gets LEDS or doesn't ask.
    private var ledsNote: String? {
        guard let node, case .assigned(let assigned) = stage, let kind = assigned.key.client?.kind,
            !node.supportsCollections, kind.supportsLEDS(over: head), node.wantsLEDS(unlessSaid: context.servesLEDS)
        else { return nil }
        let version = node.envoyVersion.map { "Envoy \($0)" } ?? "an Envoy that doesn't say its version"
        return """
            gets whole assignments although it asks for LEDS: collections end \(version); from \
            \(EnvoyVersion.firstWithStableCollections) on they don't
            """
    }

    private func logNotes() {
        if let ledsNote { warn(ledsNote) { [:] } }
        let reduced = content?.reduced ?? []
        guard !reduced.isEmpty, listenerRejection == nil, context.warnings.admit(about: head.peer) != .suppressed else {
            return
        }
        context.logger.info(
            "client gets gateway addresses only",
            metadata: metadata([
                "clusters": "\(reduced.map(\.rawValue).joined(separator: ","))",
                "reason": "\(node?.isGRPC == true ? "gRPC" : "its node metadata doesn't say lanes: true")",
            ])
        )
    }

    func warn(_ what: String, _ reason: String) { warn(what) { ["reason": "\(reason)"] } }

    /// Logs a warning, unless there were too many about this client recently.
    func warn(_ what: String, _ facts: () -> Logger.Metadata) {
        guard case .logged(let suppressed) = context.warnings.admit(about: head.peer) else { return }
        var facts = facts()
        if suppressed > 0 { facts["suppressed before"] = "\(suppressed)" }
        context.logger.warning("\(what)", metadata: metadata(facts))
    }

    /// Adds the stream's node and peer to a log line's metadata.
    private func metadata(_ more: Logger.Metadata) -> Logger.Metadata {
        more.merging(["node": "\(node?.id ?? "")", "peer": "\(head.peer)"]) { given, _ in given }
    }
}
