import Foundation
import KubernetesClient
import Synchronization

/// A Lease (`coordination.k8s.io/v1`), as far as one writer among several replicas needs it.
struct LeaseObject: KubernetesObject, Encodable {
    struct Spec: Codable, Sendable {
        var holderIdentity: String?
        var leaseDurationSeconds: Int?
        var acquireTime: String?
        var renewTime: String?
        var leaseTransitions: Int?
    }

    var apiVersion: String? = "coordination.k8s.io/v1"
    var kind: String? = "Lease"
    var metadata: ObjectMetadata
    var spec: Spec?
}

/// Who may write: the holder of a Lease.
///
/// The rules are those of Kubernetes' own leader election: a holder renews; another takes over once it has seen no renewal
/// for the Lease's duration, by its own clock. Each write carries the version that it is based on, so that two can't both
/// succeed.
actor WriterLease {
    /// How long a Lease is valid after a renewal, in seconds.
    static let duration = 10
    /// How often it is renewed, and looked at.
    static let interval = Duration.seconds(2)
    /// How long the holder writes after a renewal; less than `duration`, because a write takes time.
    static let use = Duration.seconds(6)

    /// The Lease's counter of holders is a signed number of 32 bits.
    private static let mostTransitions = Int(Int32.max)

    private struct State {
        var renewed: ContinuousClock.Instant?
        var holder: String?
    }

    private let resource: Resource
    private let name: String
    /// This process, for example `ballast-0_f3a8`.
    let identity: String

    /// What was last seen of the Lease, and when that changed.
    private var seen: (version: String, since: ContinuousClock.Instant)?
    private let state = Mutex(State())

    init(in namespace: String, name: String, identity: String) {
        resource = .leases(in: namespace)
        self.name = name
        self.identity = identity
    }

    /// Whether this process may write.
    nonisolated func isHeld(at now: ContinuousClock.Instant) -> Bool {
        state.withLock { $0.renewed.map { now < $0 + Self.use } ?? false }
    }

    /// The holder; nil if there is none, or none is known.
    nonisolated var holder: String? { state.withLock { $0.holder } }

    /// Renews the Lease, or takes it if it is free.
    func renew(by api: APIClient) async throws(APIFailure) {
        let start = ContinuousClock.now
        let lease: LeaseObject
        do throws(APIFailure) {
            lease = try Self.decode(try await api.read(resource, name: name))
        } catch .notFound {
            var metadata = ObjectMetadata(name: name, namespace: resource.namespace)
            metadata.labels = [SlotObjects.managerLabel: SlotObjects.manager]
            let object = LeaseObject(metadata: metadata, spec: spec(after: nil))
            try await api.create(try Self.encode(object), in: resource)
            note(renewed: start, holder: identity)
            return
        }
        let version = lease.metadata.resourceVersion ?? ""
        if seen?.version != version { seen = (version, start) }
        let holder = lease.spec?.holderIdentity.flatMap { $0.isEmpty ? nil : $0 }
        let isExpired =
            seen.map { start >= $0.since + .seconds(lease.spec?.leaseDurationSeconds ?? Self.duration) } ?? false
        guard holder == identity || holder == nil || isExpired else {
            note(renewed: nil, holder: holder)
            return
        }
        var next = lease
        next.spec = spec(after: lease.spec)
        next.metadata.managedFields = nil
        try await api.replace(try Self.encode(next), in: resource, name: name)
        note(renewed: start, holder: identity)
    }

    /// Gives the Lease up, so that another replica doesn't have to wait.
    func release(by api: APIClient) async {
        let wasHeld = state.withLock { $0.renewed.take() } != nil
        guard wasHeld else { return }
        guard let data = try? await api.read(resource, name: name), var lease = try? Self.decode(data),
            lease.spec?.holderIdentity == identity
        else { return }
        lease.spec?.holderIdentity = ""
        lease.spec?.leaseDurationSeconds = 1
        lease.metadata.managedFields = nil
        guard let object = try? Self.encode(lease) else { return }
        _ = try? await api.replace(object, in: resource, name: name)
    }

    private func note(renewed: ContinuousClock.Instant?, holder: String?) {
        state.withLock { $0 = State(renewed: renewed, holder: holder) }
    }

    private func spec(after last: LeaseObject.Spec?) -> LeaseObject.Spec {
        let isOwn = last?.holderIdentity == identity
        let time = Self.microTime(Date())
        return LeaseObject.Spec(
            holderIdentity: identity, leaseDurationSeconds: Self.duration,
            acquireTime: isOwn ? last?.acquireTime ?? time : time, renewTime: time,
            leaseTransitions: last.map { ($0.leaseTransitions ?? 0) % Self.mostTransitions + (isOwn ? 0 : 1) } ?? 0)
    }

    /// A time as Kubernetes' MicroTime, which must have six digits after the point.
    static func microTime(_ date: Date) -> String {
        let microseconds = Int((date.timeIntervalSince1970 * 1_000_000).rounded())
        let fraction = "\(1_000_000 + microseconds % 1_000_000)".dropFirst()
        let whole = Date(timeIntervalSince1970: Double(microseconds / 1_000_000)).ISO8601Format()
        return "\(whole.dropLast()).\(fraction)Z"
    }

    private static func decode(_ data: Data) throws(APIFailure) -> LeaseObject {
        do {
            return try JSONDecoder().decode(LeaseObject.self, from: data)
        } catch {
            throw .garbage("the API server sent a Lease that can't be read: \(error)")
        }
    }

    private static func encode(_ lease: LeaseObject) throws(APIFailure) -> Data {
        do {
            return try JSONEncoder().encode(lease)
        } catch {
            throw .garbage("the Lease can't be written: \(error)")
        }
    }
}
