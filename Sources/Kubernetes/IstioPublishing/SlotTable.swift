import Intent
import KubernetesClient
import Model

/// Which pod each slot leads to: what the API server has, what the gateways answer, and what has to be written.
///
/// A value without a clock and without connections: the caller passes the time, and tells what it saw.
///
/// A slot of a pod that is gone is emptied after `withdrawal`. It is free for another pod once it has been empty for
/// `keepFor` and the gateways no longer answer for it. While istiod is away for longer than that, a gateway may still have
/// the old address behind the slot; if another workload has taken that address by then, its answer counts for the pod.
struct SlotTable: Sendable {
    /// How long after a pod is gone its slot is emptied, so that clients have heard of it before.
    static let withdrawal = Duration.seconds(1)
    /// How long the gateways may take to lead to a pod before that is a problem.
    static let patience = Duration.seconds(10)

    /// What a gateway answered for a slot's SNI.
    enum Answer: Hashable, Sendable {
        /// It leads to somebody.
        case answered
        /// It closes such connections.
        case reset(String)
        /// It can't be reached.
        case unreachable(String)

        var isReset: Bool { if case .reset = self { true } else { false } }

        /// Why it isn't `answered`; nil if it is.
        var reason: String? {
            switch self {
            case .answered: nil
            case .reset(let reason), .unreachable(let reason): reason
            }
        }
    }

    /// What to ask gateways about a slot.
    struct Question: Hashable, Sendable {
        var slot: Slot
        /// The entry's state that the answer is about.
        var epoch: Int
        var hasPod: Bool
        var gateways: [SocketAddress]
        /// Whether clients have the slot's pod already, so that there is no hurry.
        var isAnnounced: Bool
    }

    struct Entry: Sendable {
        /// As the API server has it.
        var content: SlotObject.Content?
        var endpoint: SocketAddress?
        /// The name by which pods in the slot are announced; nil if the service is not published.
        var sni: DNSName?
        /// Whether the content is what it should be for the pod at its endpoint.
        var isCurrent = false
        /// When the endpoint or the host last changed, as far as this process saw.
        var since: ContinuousClock.Instant
        /// Counts these changes; an answer to an older question doesn't count.
        var epoch = 0
        var uid: String
        var version: String
        /// Who else has set fields of it, so that Ballast leaves it alone; nil if only Ballast has.
        var stranger: String?
        /// Since when no pod has had the endpoint's address; nil if one has.
        var goneSince: ContinuousClock.Instant?
        /// Since when it has had no endpoint; nil if it never had one.
        var emptySince: ContinuousClock.Instant?
        /// Whether it was there when this process started; another one has asked the gateways then.
        var isAdopted = false
        /// The last answer of each gateway in this epoch.
        var answers: [SocketAddress: Answer] = [:]
        /// Whether clients may have the pod: the gateways led to it, once.
        var isAnnounced = false
        /// Whether it is announced although no gateway has answered to this process.
        var isTrusted = false
    }

    let objects: SlotObjects
    private(set) var entries: [Slot: Entry] = [:]
    private(set) var pods: [ServiceName: [SocketAddress: Pod]] = [:]
    /// Writes that were begun and have not ended, with the endpoints that they give.
    private(set) var pending: [Slot: SocketAddress?] = [:]
    private var gateways: [SocketAddress] = []
    /// The gateways that led to every announced pod, once.
    private(set) var verifiedGateways: Set<SocketAddress> = []
    /// Whether the pods are those of a source, and not saved ones.
    private(set) var isSynced = false
    /// When the entries were first listed; nil before.
    private(set) var listed: ContinuousClock.Instant?

    init(_ objects: SlotObjects) { self.objects = objects }

    // MARK: What was seen

    /// Notes all objects of this cluster, which replace what was known, whatever the versions are: the API server's storage
    /// may have been restored to an older state.
    mutating func replace(with all: [SlotObject], at now: ContinuousClock.Instant) {
        let last = entries
        entries = [:]
        for object in all {
            guard let slot = objects.slot(named: object.name) else { continue }
            let known = last[slot].flatMap { $0.uid == object.uid ? $0 : nil }
            entries[slot] = entry(object, slot, after: known, at: now)
            if listed == nil {
                entries[slot]?.isAdopted = true
                // Another process emptied it, if it ever had a pod.
                if object.endpoint == nil { entries[slot]?.emptySince = object.age.map { now - $0 } }
            }
            notePod(slot, at: now)
        }
        listed = listed ?? now
    }

    /// Notes an object that was added or changed.
    mutating func note(_ object: SlotObject, at now: ContinuousClock.Instant) {
        guard let slot = objects.slot(named: object.name) else { return }
        let known = entries[slot].flatMap { $0.uid == object.uid ? $0 : nil }
        // A watch may be behind the answer to a write.
        if let known, let new = Int(object.version), let old = Int(known.version), new < old { return }
        entries[slot] = entry(object, slot, after: known, at: now)
        notePod(slot, at: now)
    }

    private func entry(
        _ object: SlotObject, _ slot: Slot, after known: Entry?, at now: ContinuousClock.Instant
    ) -> Entry {
        var entry = known ?? Entry(sni: objects.sni(of: slot), since: now, uid: object.uid, version: object.version)
        let changes = entry.endpoint != object.endpoint || known != nil && entry.content?.host != object.content?.host
        (entry.version, entry.stranger) = (object.version, object.stranger)
        (entry.content, entry.endpoint) = (object.content, object.endpoint)
        guard changes else { return entry }
        entry.epoch += 1
        entry.since = now
        (entry.answers, entry.isAnnounced, entry.isTrusted, entry.isAdopted) = ([:], false, false, false)
        entry.goneSince = nil
        entry.emptySince = entry.endpoint == nil ? now : nil
        return entry
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
        for slot in entries.keys { notePod(slot, at: now) }
    }

    /// Notes the gateways that have to lead to the pods.
    mutating func replaceGateways(_ all: [SocketAddress]) {
        gateways = all
        verifiedGateways.formIntersection(all)
        for slot in entries.keys {
            let answers = entries[slot]?.answers.filter { all.contains($0.key) } ?? [:]
            entries[slot]?.answers = answers
            judge(slot)
        }
    }

    /// Notes a gateway's answer to a question.
    mutating func note(_ answer: Answer, of gateway: SocketAddress, to question: Question) {
        guard entries[question.slot]?.epoch == question.epoch, gateways.contains(gateway) else { return }
        entries[question.slot]?.answers[gateway] = answer
        judge(question.slot)
    }

    /// Draws the consequences of a slot's answers.
    ///
    /// What is announced stays so: a gateway that is away for a while is no reason to lose pods.
    private mutating func judge(_ slot: Slot) {
        guard let entry = entries[slot], entry.endpoint != nil else { return }
        let answers = gateways.compactMap { entry.answers[$0] }
        let leads = answers.contains(.answered) && !answers.contains(where: \.isReset)
        if !entry.isAnnounced, leads, answers.count == gateways.count { entries[slot]?.isAnnounced = true }
        guard entry.isTrusted else { return }
        if leads { entries[slot]?.isTrusted = false }
        if answers.contains(where: \.isReset), gatewaysWork {
            entries[slot]?.isAnnounced = false
            entries[slot]?.isTrusted = false
        }
    }

    /// Whether any gateway has led to any pod, so that a reset means that a pod's SNI is missing.
    private var gatewaysWork: Bool {
        entries.values.contains { $0.endpoint != nil && $0.answers.values.contains(.answered) }
    }

    /// Notes whether a slot's pod is gone, and whether its object has to be written.
    private mutating func notePod(_ slot: Slot, at now: ContinuousClock.Instant) {
        guard let entry = entries[slot] else { return }
        let pod = entry.endpoint.flatMap { pods[slot.service]?[$0] }
        let wanted = objects.content(of: slot, for: pod, keeping: pod == nil ? entry.content : nil)
        entries[slot]?.isCurrent = entry.content == wanted
        guard entry.endpoint != nil else { return }
        if pod != nil {
            entries[slot]?.goneSince = nil
        } else if entries[slot]?.goneSince == nil {
            entries[slot]?.goneSince = now
        }
    }

    /// Notes that a write has begun; its slot and its pod get no other until it ends.
    mutating func begin(_ write: Write) {
        if case .put(_, let endpoint, _) = write.action { pending[write.slot] = .some(endpoint) }
        if case .delete = write.action { pending[write.slot] = .some(nil) }
    }

    /// Notes that the write of a slot has ended.
    mutating func end(_ slot: Slot) { pending[slot] = nil }

    /// Announces what was there before this process started, where the gateways don't say otherwise.
    ///
    /// If every SNI is reset, the gateways are broken, and not the slots.
    /// - Returns: the slots that no gateway has answered for.
    mutating func trustAdopted() -> [Slot] {
        let works = gatewaysWork
        var trusted: [Slot] = []
        for (slot, entry) in entries where entry.isAdopted && entry.endpoint != nil && !entry.isAnnounced {
            guard !works || !entry.answers.values.contains(where: \.isReset) else { continue }
            entries[slot]?.isAnnounced = true
            entries[slot]?.isTrusted = true
            trusted.append(slot)
        }
        return trusted.sorted()
    }

    /// Counts the gateways that lead to every announced pod as verified.
    ///
    /// - Parameter all: whether to count all of them, as at the start.
    mutating func verifyGateways(all: Bool = false) {
        for gateway in gateways where !verifiedGateways.contains(gateway) {
            let announced = entries.values.filter { $0.isAnnounced && $0.goneSince == nil }
            if all || announced.allSatisfy({ $0.answers[gateway] == .answered }) { verifiedGateways.insert(gateway) }
        }
    }

    // MARK: What follows

    /// The slot of each pod that gateways lead to, by its address.
    func announced(_ service: ServiceName) -> [SocketAddress: Slot] {
        var slots: [SocketAddress: Slot] = [:]
        for (slot, entry) in entries where slot.service == service && entry.isAnnounced {
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

    /// What the gateways have to be asked.
    func questions(at now: ContinuousClock.Instant) -> [Question] {
        entries.compactMap { slot, entry in
            let hasPod = entry.endpoint != nil
            // An empty slot is asked for after `keepFor`: until then, the gateway may not have heard that it is empty.
            let isDue =
                hasPod
                ? entry.goneSince == nil
                : !isRefused(entry) && entry.emptySince.map { now >= $0 + objects.publication.keepFor } ?? true
            let asked = gateways.filter { gateway in
                hasPod ? entry.answers[gateway] != .answered : entry.answers[gateway]?.isReset != true
            }
            guard isDue, !asked.isEmpty else { return nil }
            return Question(
                slot: slot, epoch: entry.epoch, hasPod: hasPod, gateways: asked,
                isAnnounced: entry.isAnnounced && !entry.isTrusted)
        }
    }

    /// Whether no gateway that can be asked leads to the empty slot.
    private func isRefused(_ entry: Entry) -> Bool {
        let answers = gateways.compactMap { entry.answers[$0] }
        return answers.count == gateways.count && answers.contains(where: \.isReset) && !answers.contains(.answered)
    }

    /// Whether the slot leads nowhere, so that another pod may have it.
    func isFree(_ slot: Slot) -> Bool {
        guard let entry = entries[slot] else { return false }
        return entry.endpoint == nil && entry.stranger == nil && pending[slot] == nil && isRefused(entry)
    }
}
