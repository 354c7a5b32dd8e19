import Intent
import KubernetesClient
import Snapshots
import Model

/// Which pod each slot leads to: what the API server has, what the gateways answer, and what has to be written.
///
/// A value without a clock and without connections: the caller passes the time, and tells what it saw.
///
/// A slot of a pod that is gone is emptied after `withdrawal`. It is free for another pod once it has been empty for
/// `keepFor` and the gateways no longer answer for it, so that an answer is always about the pod in the slot.
struct SlotTable: Sendable {
    /// How long after a pod is gone its slot is emptied, so that clients have heard of it before.
    static let withdrawal = Duration.seconds(1)
    /// How long the gateways may take to lead to a pod before that is a problem.
    static let patience = Duration.seconds(10)

    /// What gateways answered for a slot's SNI.
    enum Answer: Hashable, Sendable {
        /// All gateways lead to somebody.
        case answered
        /// A gateway closes such connections.
        case reset(String)
        /// A gateway can't be reached.
        case unreachable(String)

        /// Why it isn't `answered`; nil if it is.
        var reason: String? {
            switch self {
            case .answered: nil
            case .reset(let reason), .unreachable(let reason): reason
            }
        }
    }

    struct Entry: Sendable {
        /// As the API server has it.
        var content: SlotObject.Content?
        var endpoint: SocketAddress?
        /// When the endpoint last changed, as far as this process saw.
        var since: ContinuousClock.Instant
        var uid: String
        var version: String
        /// Since when no pod has had the endpoint's address; nil if one has.
        var goneSince: ContinuousClock.Instant?
        /// Since when it has had no endpoint, as far as this process saw.
        var emptySince: ContinuousClock.Instant?
        /// Whether it was there when this process started; another one has probed it then.
        var isAdopted: Bool
        /// The last answer since the endpoint last changed.
        var answer: Answer?
        /// Whether it counts as answered although no gateway could be asked.
        var isTrusted = false
    }

    /// A change of an object.
    struct Write: Hashable, Sendable {
        enum Action: Hashable, Sendable {
            case put(SlotObject.Content, endpoint: SocketAddress?, version: String?)
            case delete(uid: String)
        }

        var slot: Slot
        var action: Action
        var reason: String
    }

    let objects: SlotObjects
    private(set) var entries: [Slot: Entry] = [:]
    private var pods: [ServiceName: [SocketAddress: Pod]] = [:]
    /// Whether the pods are those of a source, and not saved ones.
    private var isSynced = false
    /// When the entries were first listed; nil before.
    private(set) var listed: ContinuousClock.Instant?

    init(_ objects: SlotObjects) { self.objects = objects }

    // MARK: What was seen

    /// Notes all objects of this cluster.
    mutating func replace(with all: [SlotObject], at now: ContinuousClock.Instant) {
        let last = entries
        entries = [:]
        for object in all {
            guard let slot = objects.slot(named: object.name) else { continue }
            entries[slot] = last[slot]
            note(object, at: now)
            if listed == nil { entries[slot]?.isAdopted = true }
        }
        listed = listed ?? now
    }

    /// Notes an object that was added or changed.
    mutating func note(_ object: SlotObject, at now: ContinuousClock.Instant) {
        guard let slot = objects.slot(named: object.name) else { return }
        var entry = Entry(since: now, uid: object.uid, version: object.version, isAdopted: false)
        if let known = entries[slot], known.uid == object.uid {
            // A watch may be behind the answer to a write.
            if let new = Int(object.version), let old = Int(known.version), new < old { return }
            entry = known
        }
        let hadEndpoint = entry.endpoint
        entry.version = object.version
        entry.content = object.content
        entry.endpoint = object.endpoint
        if entry.endpoint != hadEndpoint {
            (entry.answer, entry.goneSince, entry.isAdopted, entry.isTrusted) = (nil, nil, false, false)
            entry.since = now
            entry.emptySince = entry.endpoint == nil ? now : nil
        }
        entries[slot] = entry
        noteGone(slot, at: now)
    }

    /// Notes that an object was deleted.
    mutating func remove(_ object: SlotObject) {
        guard let slot = objects.slot(named: object.name), entries[slot]?.uid == object.uid else { return }
        entries[slot] = nil
    }

    /// Notes the pods of the published services.
    ///
    /// - Parameter isSynced: whether they are those of a source, and not saved ones.
    mutating func replacePods(
        _ all: [ServiceName: [Pod]], isSynced: Bool, at now: ContinuousClock.Instant
    ) {
        pods = all.mapValues { Dictionary($0.map { ($0.address, $0) }, uniquingKeysWith: { first, _ in first }) }
        self.isSynced = self.isSynced || isSynced
        for slot in entries.keys { noteGone(slot, at: now) }
    }

    /// Notes what the gateways answered for a slot while it had this endpoint.
    mutating func note(_ answer: Answer, for slot: Slot, while endpoint: SocketAddress?) {
        guard let entry = entries[slot], entry.endpoint == endpoint else { return }
        // What is announced stays so: a gateway that is away for a while is no reason to lose pods.
        guard entry.answer != .answered || endpoint == nil else { return }
        entries[slot]?.answer = answer
        if case .reset = answer { entries[slot]?.isTrusted = false }
    }

    private var keepFor: Duration { objects.publication.keepFor }

    private mutating func noteGone(_ slot: Slot, at now: ContinuousClock.Instant) {
        guard let endpoint = entries[slot]?.endpoint else { return }
        if pods[slot.service]?[endpoint] != nil {
            entries[slot]?.goneSince = nil
        } else if entries[slot]?.goneSince == nil {
            entries[slot]?.goneSince = now
        }
    }

    // MARK: What follows

    /// The slot of each pod that gateways lead to, by its address.
    func announced(_ service: ServiceName) -> [SocketAddress: Slot] {
        var slots: [SocketAddress: Slot] = [:]
        for (slot, entry) in entries where slot.service == service && entry.isAnswered {
            guard let endpoint = entry.endpoint, pods[service]?[endpoint] != nil else { continue }
            slots[endpoint] = min(slots[endpoint] ?? slot, slot)
        }
        return slots
    }

    /// Whether every pod that takes traffic is announced.
    var isComplete: Bool {
        objects.publication.services.keys.allSatisfy { service in
            let announced = announced(service)
            return (pods[service] ?? [:]).values.allSatisfy { $0.health != .healthy || announced[$0.address] != nil }
        }
    }

    /// Takes adopted slots for answered if the gateways can't be asked: they were, before this process started.
    ///
    /// - Returns: these slots.
    mutating func trustAdopted() -> [Slot] {
        var trusted: [Slot] = []
        for (slot, entry) in entries where entry.isAdopted && entry.endpoint != nil {
            guard case .unreachable = entry.answer, !entry.isTrusted else { continue }
            entries[slot]?.isTrusted = true
            trusted.append(slot)
        }
        return trusted.sorted()
    }

    /// The slots whose SNIs have to be probed, with the endpoints that they have.
    func unanswered(at now: ContinuousClock.Instant) -> [(slot: Slot, endpoint: SocketAddress?)] {
        entries.compactMap { slot, entry in
            if let endpoint = entry.endpoint {
                guard entry.answer != .answered, entry.goneSince == nil else { return nil }
                return (slot, endpoint)
            }
            // Not before the end of `keepFor`: until then, the gateway may not have heard that the slot is empty.
            guard !entry.isRefused, entry.emptySince.map({ now >= $0 + keepFor }) ?? true else { return nil }
            return (slot, nil)
        }
    }

    /// Where each slot stands, ordered by service and number.
    var status: [PublicationState.Slot] {
        entries.sorted { $0.key < $1.key }.compactMap { slot, entry in
            guard let sni = objects.sni(of: slot) else { return nil }
            let phase: PublicationState.Slot.Phase =
                switch entry.endpoint {
                case nil: entry.isFree ? .free : .keeping
                case _? where entry.goneSince != nil: .withdrawing
                case _?: entry.isAnswered ? .announced : .probing
                }
            return PublicationState.Slot(
                service: slot.service, name: slot.name, sni: sni, endpoint: entry.endpoint,
                pod: entry.endpoint.flatMap { pods[slot.service]?[$0]?.name }, phase: phase,
                reason: phase == .probing ? entry.answer?.reason : nil)
        }
    }

    /// The pods that have no slot, and why others are not announced; one sentence each.
    func problems(at now: ContinuousClock.Instant) -> [String] {
        var problems: [String] = []
        for (service, settings) in objects.publication.services.sorted(by: { $0.key < $1.key }) {
            if let slots = settings.slots, let count = pods[service]?.count, count > slots {
                problems.append(
                    """
                    \(service) has \(count) pods and \(slots) slots, so that \(count - slots) are not announced: raise \
                    publish.istio.services.\(service).slots
                    """)
            }
            for (slot, entry) in entries.sorted(by: { $0.key < $1.key }) where slot.service == service {
                guard let endpoint = entry.endpoint, let pod = pods[service]?[endpoint], pod.health == .healthy,
                    now >= entry.since + Self.patience, let reason = entry.answer?.reason
                else { continue }
                let state = entry.isAnswered ? "is announced without being asked for" : "is not announced"
                problems.append("\(service)/\(pod.name) \(state): \(reason)")
            }
        }
        return problems
    }

    /// What has to be written now, and when to ask again even if nothing changes.
    ///
    /// Nothing is written before the entries were listed and the pods' source has delivered.
    func writes(at now: ContinuousClock.Instant) -> (writes: [Write], next: ContinuousClock.Instant?) {
        guard listed != nil, isSynced else { return ([], nil) }
        var writes: [Write] = []
        var next: ContinuousClock.Instant?
        func wait(until time: ContinuousClock.Instant) -> Bool {
            if time <= now { return true }
            next = min(next ?? time, time)
            return false
        }
        for (slot, entry) in entries.sorted(by: { $0.key < $1.key }) {
            if entry.endpoint != nil {
                guard let gone = entry.goneSince, wait(until: gone + Self.withdrawal) else { continue }
                if let content = objects.content(of: slot, for: nil) {
                    writes.append(
                        Write(
                            slot: slot, action: .put(content, endpoint: nil, version: entry.version),
                            reason: "its pod is gone"))
                } else {
                    writes.append(
                        Write(slot: slot, action: .delete(uid: entry.uid), reason: "\(slot.service) is not published"))
                }
            } else if wait(until: entry.emptySince.map { $0 + keepFor } ?? now), !isKept(slot) {
                writes.append(Write(slot: slot, action: .delete(uid: entry.uid), reason: "nobody needs it any more"))
            }
        }
        for service in objects.publication.services.keys.sorted() {
            writes += assignments(of: service)
        }
        return (writes, next)
    }

    /// Whether a slot without an endpoint is kept for pods to come.
    private func isKept(_ slot: Slot) -> Bool {
        guard let service = objects.publication.services[slot.service] else { return false }
        if let count = service.slots { return slot.number.map { $0 < count } ?? false }
        return pods[slot.service]?.values.contains { $0.name == slot.name } ?? false
    }

    /// New slots, pods for free ones, and what is written differently from the configuration.
    private func assignments(of service: ServiceName) -> [Write] {
        let pods = pods[service] ?? [:]
        let own = entries.filter { $0.key.service == service }
        let placed = Set(own.values.compactMap(\.endpoint))
        // Pods that take traffic come first, if there are not enough slots.
        var waiting = pods.values.filter { !placed.contains($0.address) && $0.health != .draining }.sorted {
            ($0.health == .healthy ? 0 : 1, $0.name) < ($1.health == .healthy ? 0 : 1, $1.name)
        }[...]
        var writes: [Write] = []
        func put(_ slot: Slot, _ pod: Pod?, _ reason: String) {
            guard let content = objects.content(of: slot, for: pod), entries[slot]?.content != content else { return }
            writes.append(
                Write(
                    slot: slot, action: .put(content, endpoint: pod?.address, version: entries[slot]?.version),
                    reason: reason))
        }
        for (slot, entry) in own.sorted(by: { $0.key < $1.key }) where entry.goneSince == nil {
            if let pod = entry.endpoint.flatMap({ pods[$0] }) { put(slot, pod, "the configuration changed") }
        }
        guard let count = objects.publication.services[service]?.slots else {
            for pod in waiting {
                let slot = Slot(service: service, name: pod.name)
                guard objects.host(of: slot) != nil, own[slot].map(\.isFree) ?? true else { continue }
                put(slot, pod, "for pod \(pod.name)")
            }
            return writes
        }
        for number in 0..<count {
            let slot = Slot(service: service, name: "s\(number)")
            guard let entry = own[slot] else {
                let pod = waiting.popFirst()
                put(slot, pod, pod.map { "for pod \($0.name)" } ?? "a slot for pods to come")
                continue
            }
            guard entry.endpoint == nil else { continue }
            if entry.isFree, let pod = waiting.popFirst() {
                put(slot, pod, "for pod \(pod.name)")
            } else {
                put(slot, nil, "the configuration changed")
            }
        }
        return writes
    }
}

extension SlotTable.Entry {
    /// Whether all gateways closed connections for the empty slot.
    fileprivate var isRefused: Bool { if case .reset = answer { true } else { false } }

    /// Whether the slot leads nowhere, so that another pod may have it.
    fileprivate var isFree: Bool { endpoint == nil && isRefused }

    /// Whether the gateways lead to the slot's pod.
    fileprivate var isAnswered: Bool { answer == .answered || isTrusted }
}
