import Foundation
import Model
import Synchronization

/// Tracks which publications the gateways have answered that get every pod before clients do.
///
/// These are gateways with a wildcard CDS subscription. On-demand gateways ask for a pod when a client connects to it,
/// so they needn't know it before.
final class GatewayProgress: Sendable {
    /// Identifies one gateway's stream.
    struct StreamID: Hashable, Sendable {
        private static let last = Atomic(0)
        private let number = Self.last.add(1, ordering: .relaxed).newValue
    }

    private struct State {
        /// When the last such gateway left, by cluster; nil while there is one, or if there never was.
        var left: [ClusterName: Date] = [:]
        /// The newest publication that each gateway has answered completely, by cluster and stream.
        var taken: [ClusterName: [StreamID: UInt64]] = [:]
        /// The publication that the publisher waits for, by cluster.
        var awaited: [ClusterName: UInt64] = [:]

        func haveTaken(_ publication: UInt64, in cluster: ClusterName) -> Bool {
            taken[cluster, default: [:]].values.allSatisfy { $0 >= publication }
        }
    }

    private let state = Mutex(State())
    private let arrived: @Sendable () -> Void

    /// - Parameter arrived: called when all gateways of a cluster have answered the awaited publication.
    init(arrived: @escaping @Sendable () -> Void) { self.arrived = arrived }

    /// The newest publication that all such gateways have answered, by cluster; clusters without any are missing.
    var taken: [ClusterName: UInt64] { state.withLock { $0.taken.compactMapValues { $0.values.min() } } }

    /// When the last such gateway of a cluster left; nil while there is one, or if there never was.
    func lastLeft(_ cluster: ClusterName) -> Date? { state.withLock { $0.left[cluster] } }

    /// Sets the awaited publications; `arrived` is called when all gateways of a cluster have answered theirs.
    func await(_ publications: [ClusterName: UInt64]) {
        let haveArrived = state.withLock { state in
            state.awaited = publications.filter { !state.haveTaken($0.value, in: $0.key) }
            return state.awaited.count < publications.count
        }
        if haveArrived { arrived() }
    }

    /// Notes that a gateway has answered everything up to a publication.
    func note(_ stream: StreamID, of cluster: ClusterName, hasTaken publication: UInt64) {
        change(cluster) { $0[stream] = publication }
    }

    /// Removes a gateway whose stream ended, or which no longer has a wildcard CDS subscription.
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
