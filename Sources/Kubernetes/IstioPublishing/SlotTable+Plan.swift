import Intent
import Model
import Snapshots

// What has to be written, and how it stands.

extension SlotTable {
    /// A change of an object.
    struct Write: Hashable, Sendable {
        enum Action: Hashable, Sendable {
            /// Creates the object if `version` is nil, and otherwise changes the one of this version.
            case put(SlotObject.Content, endpoint: SocketAddress?, version: String?)
            case delete(uid: String, version: String)
        }

        var slot: Slot
        var action: Action
        var reason: String
        /// Whether the object has no host yet, or another one.
        var changesHost = false
    }

    /// What has to be written now, and when to ask again even if nothing changes.
    ///
    /// Nothing is written before the entries were listed and the pods' source has delivered.
    ///
    /// - Parameters:
    ///   - blocked: slots that can't be written at the moment.
    ///   - withdraws: whether slots may be emptied and deleted, because clients were told.
    func writes(
        at now: ContinuousClock.Instant, blocked: Set<Slot> = [], withdraws: Bool = true
    ) -> (writes: [Write], next: ContinuousClock.Instant?) {
        guard listed != nil, isSynced else { return ([], nil) }
        var writes: [Write] = []
        var next: ContinuousClock.Instant?
        func wait(until time: ContinuousClock.Instant) -> Bool {
            if time <= now { return true }
            next = min(next ?? time, time)
            return false
        }
        for (slot, entry) in entries.sorted(by: { $0.key < $1.key }) where withdraws && canWrite(slot, blocked) {
            let delete = Write.Action.delete(uid: entry.uid, version: entry.version)
            if entry.endpoint != nil {
                guard let gone = entry.goneSince, wait(until: gone + Self.withdrawal) else { continue }
                if let write = put(slot, nil, "its pod is gone") {
                    writes.append(write)
                } else if objects.content(of: slot, for: nil) == nil {
                    writes.append(Write(slot: slot, action: delete, reason: "\(slot.service) is not published"))
                }
            } else if wait(until: entry.emptySince.map { $0 + objects.publication.keepFor } ?? now), !isKept(slot) {
                writes.append(Write(slot: slot, action: delete, reason: "nobody needs it any more"))
            }
        }
        for service in objects.publication.services.keys.sorted() {
            writes += assignments(of: service, blocked)
        }
        return (writes, next)
    }

    private func canWrite(_ slot: Slot, _ blocked: Set<Slot>) -> Bool {
        pending[slot] == nil && !blocked.contains(slot) && entries[slot]?.stranger == nil
    }

    /// Whether a slot without an endpoint is kept for pods to come.
    private func isKept(_ slot: Slot) -> Bool {
        guard let service = objects.publication.services[slot.service] else { return false }
        if let count = service.slots { return slot.number.map { $0 < count } ?? false }
        return pods[slot.service]?.values.contains { $0.name == slot.name } ?? false
    }

    /// The write that gives a slot this pod; nil if it has it, or if the service is not published.
    private func put(_ slot: Slot, _ pod: Pod?, _ reason: String) -> Write? {
        let entry = entries[slot]
        guard let content = objects.content(of: slot, for: pod, keeping: pod == nil ? entry?.content : nil),
            entry?.content != content
        else { return nil }
        if let entry, let last = entry.content, !last.canBecome(content) {
            // It is created again in the next step.
            return Write(
                slot: slot, action: .delete(uid: entry.uid, version: entry.version),
                reason: "the pod's address is of another family")
        }
        return Write(
            slot: slot, action: .put(content, endpoint: pod?.address, version: entry?.version), reason: reason,
            changesHost: entry?.content?.host != content.host)
    }

    /// New slots, pods for free ones, and what is written differently from the configuration.
    private func assignments(of service: ServiceName, _ blocked: Set<Slot>) -> [Write] {
        let pods = pods[service] ?? [:]
        let own = entries.filter { $0.key.service == service }
        var placed = Set(own.values.compactMap(\.endpoint))
        for (slot, endpoint) in pending where slot.service == service {
            if let endpoint { placed.insert(endpoint) }
        }
        // Pods that take traffic come first, if there are not enough slots.
        var waiting = pods.values.filter { !placed.contains($0.address) && $0.health != .draining }.sorted {
            ($0.health == .healthy ? 0 : 1, $0.name) < ($1.health == .healthy ? 0 : 1, $1.name)
        }[...]
        var writes: [Write?] = []
        for (slot, entry) in own.sorted(by: { $0.key < $1.key })
        where entry.goneSince == nil && !entry.isCurrent && canWrite(slot, blocked) {
            if let pod = entry.endpoint.flatMap({ pods[$0] }) {
                writes.append(put(slot, pod, "the configuration changed"))
            }
        }
        guard let count = objects.publication.services[service]?.slots else {
            for pod in waiting {
                let slot = Slot(service: service, name: pod.name)
                guard canWrite(slot, blocked), own[slot] == nil || isFree(slot) else { continue }
                writes.append(put(slot, pod, "for pod \(pod.name)"))
            }
            return writes.compactMap(\.self)
        }
        for number in 0..<count {
            let slot = Slot(service: service, name: "s\(number)")
            guard canWrite(slot, blocked) else { continue }
            guard let entry = own[slot] else {
                let pod = waiting.popFirst()
                writes.append(put(slot, pod, pod.map { "for pod \($0.name)" } ?? "a slot for pods to come"))
                continue
            }
            guard entry.endpoint == nil else { continue }
            if isFree(slot), let pod = waiting.popFirst() {
                writes.append(put(slot, pod, "for pod \(pod.name)"))
            } else if !entry.isCurrent {
                writes.append(put(slot, nil, "the configuration changed"))
            }
        }
        return writes.compactMap(\.self)
    }

    // MARK: How it stands

    /// Where each slot stands, ordered by service and number.
    var status: [PublicationState.Slot] {
        entries.sorted { $0.key < $1.key }.compactMap { slot, entry in
            guard let sni = entry.sni else { return nil }
            let phase: PublicationState.Slot.Phase =
                switch entry.endpoint {
                case nil: isFree(slot) ? .free : .keeping
                case _? where entry.goneSince != nil: .withdrawing
                case _?: entry.isAnnounced ? .announced : .probing
                }
            return PublicationState.Slot(
                service: slot.service, name: slot.name, sni: sni, endpoint: entry.endpoint,
                pod: entry.endpoint.flatMap { pods[slot.service]?[$0]?.name }, phase: phase,
                reason: phase == .probing ? entry.reason : nil)
        }
    }

    /// The pods that are not announced, and other things that somebody has to mend; one sentence each.
    func problems(at now: ContinuousClock.Instant) -> [String] {
        var problems: [String] = []
        for (slot, entry) in entries.sorted(by: { $0.key < $1.key }) {
            if let stranger = entry.stranger {
                problems.append(
                    """
                    \(objects.name(of: slot)) was changed by \(stranger), and is left alone: delete it, and it is written \
                    again
                    """)
            }
            guard let endpoint = entry.endpoint, let pod = pods[slot.service]?[endpoint], pod.health == .healthy,
                now >= entry.since + Self.patience, entry.isTrusted || !entry.isAnnounced, let reason = entry.reason
            else { continue }
            let state = entry.isTrusted ? "is announced as before, without an answer" : "is not announced"
            problems.append("\(slot.service)/\(pod.name) \(state): \(reason)")
        }
        for (service, settings) in objects.publication.services.sorted(by: { $0.key < $1.key }) {
            let pods = pods[service] ?? [:]
            if let slots = settings.slots, pods.count > slots {
                problems.append(
                    """
                    \(service) has \(pods.count) pods and \(slots) slots, so that \(pods.count - slots) are not announced: \
                    raise publish.istio.services.\(service).slots
                    """)
            } else if settings.slots == nil {
                let nameless = pods.values.map(\.name).filter {
                    objects.host(of: Slot(service: service, name: $0)) == nil
                }
                for name in nameless.sorted().prefix(3) {
                    problems.append(
                        "\(service)/\(name) is not announced: its name can't be part of a host; use slots for the service"
                    )
                }
            }
        }
        return problems
    }
}

extension SlotTable.Entry {
    /// Why the gateways don't lead to the pod.
    fileprivate var reason: String? {
        let reasons = answers.sorted { $0.key < $1.key }
        return (reasons.first { $0.value.isReset } ?? reasons.first { $0.value != .answered })?.value.reason
    }
}
