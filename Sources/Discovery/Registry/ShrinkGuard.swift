import Intent
import MeshConfiguration
import Model

/// The recent falls of a service's pod count, and its hold; nothing is kept for a service that never shrank.
struct ShrinkRecord: Hashable, Sendable {
    /// Pods that are served although their source no longer lists them.
    struct Hold: Hashable, Sendable {
        /// The pods that the source lists.
        var listed: [Pod]
        /// The names of the other pods that are served.
        var held: Set<String>
        var reason: String
        var since: ContinuousClock.Instant
        var until: ContinuousClock.Instant
        /// When more of the held pods may go, if all were deleted; nil without that evidence.
        var nextStep: ContinuousClock.Instant?
    }

    /// The pod count before a fall, and the time of the fall.
    struct Peak {
        var until: ContinuousClock.Instant
        var count: Int
    }

    /// Oldest first, with falling counts.
    var peaks: [Peak] = []
    var hold: Hold?

    static func == (left: ShrinkRecord, right: ShrinkRecord) -> Bool { left.hold == right.hold }

    func hash(into hasher: inout Hasher) { hasher.combine(hold) }
}

extension [ShrinkRecord.Peak] {
    /// Records the count until now.
    ///
    /// Removes earlier peaks that are not higher.
    mutating func note(_ count: Int, until now: ContinuousClock.Instant) {
        removeAll { $0.count <= count }
        append(ShrinkRecord.Peak(until: now, count: count))
    }
}

extension ShrinkGuard {
    /// The pods to serve for a service whose source now lists `listed`.
    ///
    /// Only pods that take traffic or could do so are counted: a pod that was draining had its notice and may go. A
    /// service is held if its count falls by more than `share` (if it was at least `from`) or to zero. During a hold,
    /// listed pods are served as listed, and missing ones stay.
    ///
    /// Deletes are evidence that pods are gone. They may empty a service of fewer than `from` pods at once; a larger
    /// one loses at most `share` of its pods within `pace`. The other pods are held until the hold's `nextStep`, when
    /// this method must be called again.
    ///
    /// - Parameter record: the service's record, updated by the call.
    func admit(
        _ listed: [Pod], over served: [Pod], _ evidence: SourceUpdate.Evidence, _ record: inout ShrinkRecord?,
        at now: ContinuousClock.Instant
    ) -> [Pod] {
        guard evidence != .vouched else {
            record = nil
            return listed
        }
        let health = Dictionary(listed.map { ($0.name, $0.health) }, uniquingKeysWith: { first, _ in first })
        let counted = served.filter { $0.health != .draining }
        let noticed = counted.count { health[$0.name] == .draining }
        let after = listed.count { $0.health != .draining }
        let before = counted.count - noticed

        let window = evidence == .deletes ? pace : holdFor
        var peaks = (record?.peaks ?? []).filter { $0.until + holdFor >= now }
        for index in peaks.indices { peaks[index].count -= noticed }
        let reference = peaks.filter { $0.until + window >= now }.map(\.count).reduce(before, max)

        let fallsTooFar = reference >= from && Double(after) < Double(reference) * (1 - share)
        let vanishes = after == 0 && reference > 0 && evidence == .none
        guard before > after, fallsTooFar || vanishes else {
            if before > after { peaks.note(before, until: now) }
            record = peaks.isEmpty ? nil : ShrinkRecord(peaks: peaks)
            return listed
        }
        let addresses = Set(listed.map(\.address))
        var rest = served.filter { health[$0.name] == nil && !addresses.contains($0.address) }
        var nextStep: ContinuousClock.Instant?
        if evidence == .deletes {
            let least = Int((Double(reference) * (1 - share)).rounded(.up))
            // Ordered by name, so that all replicas keep the same pods.
            rest = Array(rest.filter { $0.health != .draining }.sorted { $0.name < $1.name }.prefix(least - after))
            if after + rest.count < before { peaks.note(before, until: now) }
            let lastFall = peaks.filter { $0.until + window >= now }.map(\.until).max() ?? now
            nextStep = lastFall + pace + .milliseconds(1)
        }
        let since = record?.hold?.since ?? now
        record = ShrinkRecord(
            peaks: peaks,
            hold: ShrinkRecord.Hold(
                listed: listed, held: Set(rest.map(\.name)), reason: reason(after, of: reference, evidence),
                since: since, until: record?.hold?.until ?? since + holdFor, nextStep: nextStep))
        return listed + rest
    }

    private func reason(_ after: Int, of reference: Int, _ evidence: SourceUpdate.Evidence) -> String {
        switch evidence {
        case .none: "its source names \(after) of \(reference) pods, without evidence that the others are gone"
        case .deletes, .vouched:
            "\(reference - after) of \(reference) pods were deleted at once, and go in steps, one every \(pace)"
        }
    }
}
