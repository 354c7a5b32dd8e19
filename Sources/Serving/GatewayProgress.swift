import Foundation
import Model
import Synchronization

/// How far the gateways have come that are told of every pod before it is announced.
///
/// These are gateways that take all of CDS. One that asks on demand asks when a client's connection comes for a pod: it
/// need not know the pod before.
final class GatewayProgress: Sendable {
    /// One gateway's stream.
    struct StreamID: Hashable, Sendable {
        private static let last = Atomic(0)
        private let number = Self.last.add(1, ordering: .relaxed).newValue
    }

    private struct State {
        /// When the last such gateway of a cluster left; nil while there is one, and where there was none.
        var left: [ClusterName: Date] = [:]
        /// By cluster and stream: the newest publication of which the gateway has taken everything.
        var taken: [ClusterName: [StreamID: UInt64]] = [:]
        /// By cluster: the publication that somebody waits for.
        var awaited: [ClusterName: UInt64] = [:]

        func haveTaken(_ publication: UInt64, in cluster: ClusterName) -> Bool {
            taken[cluster, default: [:]].values.allSatisfy { $0 >= publication }
        }
    }

    private let state = Mutex(State())
    private let arrived: @Sendable () -> Void

    /// - Parameter arrived: called when all gateways of a cluster have taken what somebody waits for.
    init(arrived: @escaping @Sendable () -> Void) { self.arrived = arrived }

    /// By cluster: the newest publication that all such gateways have taken; a cluster without any is missing.
    var taken: [ClusterName: UInt64] { state.withLock { $0.taken.compactMapValues { $0.values.min() } } }

    /// When the last such gateway of a cluster left; nil while there is one, and where there was none.
    func lastLeft(_ cluster: ClusterName) -> Date? { state.withLock { $0.left[cluster] } }

    /// Calls `arrived` when all gateways of a cluster have taken the publication that is awaited of them.
    func await(_ publications: [ClusterName: UInt64]) {
        let haveArrived = state.withLock { state in
            state.awaited = publications.filter { !state.haveTaken($0.value, in: $0.key) }
            return state.awaited.count < publications.count
        }
        if haveArrived { arrived() }
    }

    /// A gateway has taken everything up to this publication.
    func note(_ stream: StreamID, of cluster: ClusterName, hasTaken publication: UInt64) {
        change(cluster) { $0[stream] = publication }
    }

    /// A gateway's stream is over.
    func forget(_ stream: StreamID, of cluster: ClusterName) { change(cluster) { $0[stream] = nil } }

    private func change(_ cluster: ClusterName, _ body: (inout [StreamID: UInt64]) -> Void) {
        let hasArrived = state.withLock { state in
            body(&state.taken[cluster, default: [:]])
            if state.taken[cluster]?.isEmpty == true {
                state.taken[cluster] = nil
                state.left[cluster] = state.left[cluster] ?? Date()
            } else {
                state.left[cluster] = nil
            }
            guard let awaited = state.awaited[cluster], state.haveTaken(awaited, in: cluster) else { return false }
            state.awaited[cluster] = nil
            return true
        }
        if hasArrived { arrived() }
    }
}
