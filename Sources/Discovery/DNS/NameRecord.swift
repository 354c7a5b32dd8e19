import Foundation
public import Model

/// The result of looking up a host name.
public enum NameAnswer: Hashable, Sendable {
    /// At least one address.
    case addresses([IPAddress])
    /// The look-up failed, or the name has no addresses.
    case failure(reason: String)
}

/// The DNS state of one gateway host name.
///
/// A failure, or an answer without addresses, keeps the last good addresses and marks the record stale.
struct NameRecord: Hashable, Sendable {
    private(set) var addresses: [IPAddress] = []
    private(set) var isSynced = false
    private(set) var staleReason: String?
    private(set) var staleSince: Date?
    private(set) var confirmed: Date?

    mutating func receive(_ answer: NameAnswer) {
        switch answer {
        case .addresses(let found) where !found.isEmpty:
            self = NameRecord()
            addresses = Set(found).sorted()
            isSynced = true
            confirmed = Date()
        case .addresses: receive(.failure(reason: "the answer is empty"))
        case .failure(let reason):
            staleSince = staleSince ?? Date()
            staleReason = addresses.isEmpty ? reason : "\(reason); the last answer stays"
        }
    }

    mutating func restore(_ addresses: [IPAddress], at date: Date) {
        self.addresses = Set(addresses).sorted()
        confirmed = date
        staleSince = staleSince ?? Date()
        staleReason = staleReason ?? "what was known before this start is used"
    }
}

extension SourceStatus {
    init(name: String, _ record: NameRecord) {
        self.init(
            cluster: nil, description: "dns \(name)", isSynced: record.isSynced, staleReason: record.staleReason,
            staleSince: record.staleSince, confirmed: record.confirmed, problems: [], podCount: 0,
            gateways: record.addresses.map(\.description))
    }
}
