import Intent
import MeshConfiguration
import Model

/// What is remembered of a service's shrinking; nothing of a service that never did.
struct ShrinkRecord: Hashable, Sendable {
    /// Endpoints that are served though their source no longer names them.
    struct Hold: Hashable, Sendable {
        /// What the source names.
        var told: [Pod]
        /// The names of all others that are served.
        var held: Set<String>
        var reason: String
        var since: ContinuousClock.Instant
        var until: ContinuousClock.Instant
        /// When more of them may go, if all were deleted; nil without that evidence.
        var nextStep: ContinuousClock.Instant?
    }

    /// How many there were, until they fell.
    struct Peak {
        var until: ContinuousClock.Instant
        var count: Int
    }

    /// The oldest first; the numbers fall.
    var peaks: [Peak] = []
    var hold: Hold?

    static func == (left: ShrinkRecord, right: ShrinkRecord) -> Bool { left.hold == right.hold }

    func hash(into hasher: inout Hasher) { hasher.combine(hold) }
}

extension [ShrinkRecord.Peak] {
    /// Notes how many there were until now; a larger number that came later says all that an earlier one did.
    mutating func note(_ count: Int, until now: ContinuousClock.Instant) {
        removeAll { $0.count <= count }
        append(ShrinkRecord.Peak(until: now, count: count))
    }
}

extension ShrinkGuard {
    /// What is served of a service whose source names other pods now.
    ///
    /// Counted are pods that take traffic or could: one that was draining has had its notice, and may go. A set that
    /// falls by more than `share` (from `from` pods up), or to nothing, is held: what the source names is served as it
    /// says, and what it no longer names is served on. Deletes are evidence that pods are gone, and a reason to let
    /// them, even all of a small set; but of a larger one not more than the share within `pace`: the others are held
    /// until the hold's `nextStep`, when this is to be asked again.
    ///
    /// - Parameter record: what is remembered of the service; brought up to date.
    func admit(
        _ told: [Pod], over served: [Pod], _ evidence: SourceUpdate.Evidence, _ record: inout ShrinkRecord?,
        at now: ContinuousClock.Instant
    ) -> [Pod] {
        guard evidence != .vouched else {
            record = nil
            return told
        }
        let health = Dictionary(told.map { ($0.name, $0.health) }, uniquingKeysWith: { first, _ in first })
        let counted = served.filter { $0.health != .draining }
        let noticed = counted.count { health[$0.name] == .draining }
        let after = told.count { $0.health != .draining }
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
            return told
        }
        let addresses = Set(told.map(\.address))
        var rest = served.filter { health[$0.name] == nil && !addresses.contains($0.address) }
        var nextStep: ContinuousClock.Instant?
        if evidence == .deletes {
            let least = Int((Double(reference) * (1 - share)).rounded(.up))
            // By name, so that replicas keep the same ones.
            rest = Array(rest.filter { $0.health != .draining }.sorted { $0.name < $1.name }.prefix(least - after))
            if after + rest.count < before { peaks.note(before, until: now) }
            let lastFall = peaks.filter { $0.until + window >= now }.map(\.until).max() ?? now
            nextStep = lastFall + pace + .milliseconds(1)
        }
        let since = record?.hold?.since ?? now
        record = ShrinkRecord(
            peaks: peaks,
            hold: ShrinkRecord.Hold(
                told: told, held: Set(rest.map(\.name)), reason: reason(after, of: reference, evidence),
                since: since, until: record?.hold?.until ?? since + holdFor, nextStep: nextStep))
        return told + rest
    }

    private func reason(_ after: Int, of reference: Int, _ evidence: SourceUpdate.Evidence) -> String {
        switch evidence {
        case .none: "its source names \(after) of \(reference) pods, without evidence that the others are gone"
        case .deletes, .vouched:
            "\(reference - after) of \(reference) pods were deleted at once, and go in steps, one every \(pace)"
        }
    }
}
