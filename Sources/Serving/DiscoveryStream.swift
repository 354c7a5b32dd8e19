import Balancing
import CoreMetrics
import EnvoyAPI
import Foundation
import GRPCTransport
import HashTreeCollections
import Logging
import MeshConfiguration
import Model
import Snapshots
import XDS

/// One discovery stream: receives requests and sends responses from the current snapshot.
final class DiscoveryStream: StreamService {
    private var session: ClientSession
    private let controlPlane: String
    private let limits: Configuration.Limits
    private let metrics: ServingMetrics
    private var subscriptions: StreamSubscriptions
    private let budget: Budget
    private var share: Budget.Share
    private var progress: PushProgress
    private var knownNames: Acknowledgement.KnownNames?
    private let gateways: GatewayProgress
    private let gatewayStream = GatewayProgress.StreamID()
    /// The cluster whose gateway this is; nil unless it has a wildcard CDS subscription.
    private var gatewayOf: ClusterName?
    /// The names without a resource for which a warning was logged.
    private var absentNames: Set<ResourceName> = []
    /// Why an Envoy that uses CDS can't reach pods behind gateways; nil if it can.
    private var plaintextProblem: String?
    private var hasLookedForPlaintext = false
    /// When the last response was created.
    private var lastResponse = ContinuousClock.now
    private let started = Date()
    /// Why an on-demand gateway doesn't work properly; nil if it does.
    private var demandProblem: String?

    init(
        _ session: ClientSession, _ method: Method, limits: Configuration.Limits, budget: Budget,
        metrics: ServingMetrics, gateways: GatewayProgress, controlPlane: String
    ) {
        self.budget = budget
        share = Budget.Share(session.head)
        self.gateways = gateways
        self.metrics = metrics
        progress = PushProgress(metrics)
        metrics.streams.increment()
        self.session = session
        self.controlPlane = controlPlane
        self.limits = limits
        subscriptions = StreamSubscriptions(
            variant: method.variant, type: method.type, limits: StreamSubscriptions.Limits(names: limits.namesPerStream)
        )
    }

    func receive(_ message: RawSpan) throws(GRPCStatus) {
        metrics.requests.increment()
        // Fast path: nearly every request is a plain ACK, whose cost here doesn't depend on the number of names it
        // repeats.
        if session.node != nil,
            let acknowledgement = Acknowledgement(scanning: message, subscriptions.variant, known: &knownNames),
            subscriptions.acknowledge(acknowledgement)
        {
            progress.acknowledged(acknowledgement.nonce, of: subscriptions.lastNonce)
            noteGateway()
            if session.listenerRejection != nil { noteListeners() }
            return
        }
        let message = [UInt8](copying: message)
        let decoded: DecodedRequest
        do throws(DecodingFailure) {
            decoded = try DecodedRequest(message, subscriptions.variant)
        } catch {
            session.warn("request refused", "\(error)")
            throw GRPCStatus(.invalidArgument, "\(error)")
        }
        session.receive(node: decoded.node)
        noteView()
        if let reason = decoded.request.rejection {
            metrics.nacks.increment()
            session.warn("NACK", "\(decoded.type.prefix(utf8Count: 100)): \(reason)")
        }
        let isAboutListeners = decoded.request.rejection != nil || session.listenerRejection != nil
        if let nonce = Nonce(decoded.request.nonce) { progress.acknowledged(nonce, of: subscriptions.lastNonce) }
        do throws(ProtocolViolation) {
            try decoded.request.check(longestName: limits.nameBytes)
            try subscriptions.receive(decoded.request, type: decoded.type, from: session.node?.dialect ?? .envoy)
        } catch {
            let status = GRPCStatus(error)
            session.warn("stream ended", status.message)
            throw status
        }
        do throws(GRPCStatus) {
            try budget.charge(&share, subscriptions.memoryBytes + session.nodeBytes)
        } catch {
            session.warn("stream ended", error.message)
            throw error
        }
        if isAboutListeners { noteListeners() }
        notePlaintext()
        noteGateway()
    }

    func nextMessage() throws(GRPCStatus) -> [Slice]? {
        try session.authorize()
        guard subscriptions.hasNews, session.content != nil,
            let (type, response) = subscriptions.next(in: { session.index($0) ?? ResourceIndex() })
        else {
            if !subscriptions.hasNews, let snapshot = session.snapshot {
                progress.written(snapshot.number, subscriptions.lastNonce)
                noteGateway()
            }
            return nil
        }
        lastResponse = .now
        let served = session.index(type) ?? ResourceIndex()
        if type == .clusterLoadAssignment { warn(aboutAbsent: response.absent, in: served) }
        var slices = response.resources.compactMap { served[$0.name]?.slice(subscriptions.variant) }
        for name in response.collections {
            guard let collection = served.collection(name) else { continue }
            slices.append(collection.slice)
            metrics.pushedResources.increment(by: collection.count)
        }
        for name in response.vacant {
            slices.append(ServedResource(EncodedResource(vacantAssignment: name)).slice(subscriptions.variant))
        }
        slices.append(Slice(response.encodedTrailer(type: type, controlPlane: controlPlane)))
        metrics.pushes.increment()
        metrics.pushedResources.increment(by: response.resources.count)
        metrics.pushedBytes.increment(by: slices.reduce(0) { $0 + $1.byteCount })
        return slices
    }

    func closed(_ status: GRPCStatus) {
        progress.ended()
        budget.release(&share)
        metrics.streams.decrement()
        if let gatewayOf { gateways.forget(gatewayStream, of: gatewayOf) }
        session.end(status)
    }

    /// Applies a newer snapshot.
    ///
    /// The changes are sent when the stream can write.
    func publish(_ item: PublicationQueue.Item) {
        // A stream opened after the publication already starts with its snapshot or a newer one.
        guard let hasOtherView = session.advance(to: item) else { return }
        if hasOtherView || item.followsGap {
            noteView()
            notePlaintext()
            subscriptions.publishAll()
        } else {
            for (type, names) in session.changes { subscriptions.publish(type, names) }
        }
        if subscriptions.hasNews { progress.enqueue(item.progress) }
    }

    /// The maximum for gateways and idle streams, because they don't delay removals.
    var taken: UInt64 { subscriptions.isIdle || isGateway ? .max : progress.taken }

    var status: ClientStatus {
        var status = ClientStatus(
            session, notes: [demandProblem, plaintextProblem].compactMap(\.self), subscriptions: subscriptions)
        status.started = started
        status.sync = sync
        return status
    }

    func delivery(of name: ServiceName) -> Delivery? {
        guard let view = session.view?.client, let service = session.content?.service(name) else { return nil }
        let known = service.resources.compactMap { resource in
            subscriptions.resource(resource.name, of: .clusterLoadAssignment).map { ($0, resource.version) }
        }
        guard !known.isEmpty else { return nil }
        let rejection = subscriptions.rejection(of: .clusterLoadAssignment)
        let state: SyncState =
            if known.contains(where: { $0.sent != $1 }) {
                .behind
            } else if rejection != nil {
                .nacked
            } else if known.allSatisfy({ $0.acknowledged == $1 }) {
                .synced
            } else {
                unanswered
            }
        return Delivery(node: session.node?.id ?? "", view: view, state: state, message: rejection?.message)
    }

    /// Whether the client has all that is served to it now.
    private var sync: SyncState {
        if subscriptions.firstRejection != nil { return .nacked }
        if subscriptions.hasNews || session.content == nil { return .behind }
        return progress.hasAnswered(subscriptions.lastNonce) ? .synced : unanswered
    }

    private var unanswered: SyncState { .now - lastResponse < SyncState.patience ? .pending : .stale }

    func reviewAccess() {
        let last = session.view
        session.reviewAccess()
        guard session.view != last else { return }
        noteView()
        subscriptions.publishAll()
    }

    private var isGateway: Bool { session.view?.isGateway == true }

    /// Warns once for each name that has no resource, but for a few names only, since a client may ask for many.
    private func warn(aboutAbsent names: [ResourceName], in index: ResourceIndex) {
        for name in names.prefix(5) where absentNames.count < 20 && absentNames.insert(name).inserted {
            session.warn("a client asks for endpoints that nobody serves") {
                let near = nearNames(to: name.rawValue, in: index.names.lazy.map(\.rawValue))
                let hint =
                    near.isEmpty ? "no service has that resource" : "did you mean \(near.joined(separator: " or "))?"
                return ["resource": "\(name.rawValue.prefix(utf8Count: 256))", "reason": "\(hint)"]
            }
        }
    }

    /// Updates the session according to whether the client accepts its listeners.
    private func noteListeners() {
        let rejection = subscriptions.rejection(of: .listener)
        guard session.note(listenerRejection: rejection?.message) else { return }
        noteView()
        subscriptions.publishAll()
    }

    private func noteView() {
        if let kind = session.view?.client?.kind { subscriptions.order = kind.servingOrder }
    }

    /// Reports a gateway's progress, if it has a wildcard CDS subscription.
    private func noteGateway() {
        guard isGateway || gatewayOf != nil else { return }
        let cluster = isGateway && subscriptions.wantsAll(.cluster) ? session.view?.client?.cluster : nil
        if let gatewayOf, gatewayOf != cluster { gateways.forget(gatewayStream, of: gatewayOf) }
        gatewayOf = cluster
        if let cluster { gateways.note(gatewayStream, of: cluster, hasTaken: progress.taken) }
        if isGateway, cluster == nil { noteDemand() }
    }

    /// Warns once if the client gets plaintext Envoy clusters for pods behind gateways that expect TLS.
    private func notePlaintext() {
        guard !hasLookedForPlaintext, subscriptions.wants(.cluster) || subscriptions.wantsAll(.cluster),
            let content = session.content
        else {
            return
        }
        hasLookedForPlaintext = true
        guard let remote = content.gatewayed.first,
            let service = content.services.first(where: { $0.service.client.tls == nil })
        else { return }
        let problem = """
            it gets its Envoy clusters from Ballast, and sends plaintext to \(service.service.name): a gateway of \(remote) that \
            chooses pods by SNI answers such requests itself, mostly with 404. Set `envoy.tls`, unless the gateway passes TCP on
            """
        plaintextProblem = problem
        session.warn("a client is served plaintext for pods behind a gateway", problem)
    }

    /// Warns once if an on-demand gateway's Envoy is too old for it.
    private func noteDemand() {
        guard demandProblem == nil, subscriptions.wants(.cluster), let version = session.node?.envoyVersion,
            version < .firstWithOnDemandClusters
        else { return }
        let problem = """
            it asks for clusters on demand, and Envoy \(version) drops all but the first of them: most connections through it \
            time out. Use envoy-configs/gateway.yaml, or Envoy \(EnvoyVersion.firstWithOnDemandClusters)
            """
        demandProblem = problem
        session.warn("a gateway is too old for what it does", problem)
    }
}

extension DiscoveryRequest {
    fileprivate var nonce: String {
        switch self {
        case .sotw(let request): request.nonce
        case .delta(let request): request.nonce
        }
    }

    fileprivate var rejection: String? {
        switch self {
        case .sotw(let request): request.rejection
        case .delta(let request): request.rejection
        }
    }
}

extension DiscoveryResponse {
    fileprivate var resources: [VersionedName] {
        switch self {
        case .sotw(let response): response.resources
        case .delta(let response): response.resources
        }
    }

    fileprivate var collections: [ResourceName] {
        switch self {
        case .sotw: []
        case .delta(let response): response.collections
        }
    }

    /// The subscribed names that don't exist and were never sent.
    fileprivate var absent: [ResourceName] {
        switch self {
        case .sotw(let response): response.vacant
        case .delta(let response): response.absent
        }
    }

    fileprivate var vacant: [ResourceName] {
        switch self {
        case .sotw(let response): response.vacant
        case .delta: []
        }
    }
}

extension GRPCStatus {
    fileprivate init(_ violation: ProtocolViolation) {
        switch violation {
        case .wrongType(let type):
            self.init(
                .invalidArgument,
                type.isEmpty ? "the request has no type_url" : "this stream is not for \(type.prefix(utf8Count: 256))")
        case .tooManyNames(let limit):
            self.init(.resourceExhausted, "a stream may subscribe to \(limit) names (xds.limits.namesPerStream)")
        case .longName(let limit):
            self.init(.invalidArgument, "a name may have \(limit) bytes (xds.limits.nameBytes)")
        case .tooManyTypes(let limit):
            self.init(.resourceExhausted, "a stream may subscribe to \(limit) types")
        case .longType(let limit):
            self.init(.invalidArgument, "a type URL may have \(limit) bytes")
        }
    }
}
