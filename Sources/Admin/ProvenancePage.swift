import Balancing
import ControlPlane
import Discovery
import Foundation
import Model

/// One service, and where everything about it comes from.
struct ProvenancePage: Encodable {
    /// One pod, of any cluster.
    struct Pod: Encodable {
        var cluster: String
        var pod: String
        var address: String
        var region: String
        var zone: String
        var health: String
        /// The source, and the object, version and line in it.
        var source: String?
        var object: String?
        var version: String?
        var line: Int?
        /// When the source last said that this is so.
        var confirmed: Date?
        /// Why it may not be so any more.
        var stale: String?
        /// Why it is served though its source no longer names it.
        var held: String?
        var weight: Weight
    }

    /// How a weight came about.
    struct Weight: Encodable {
        /// The pod's own.
        var pod: UInt32
        /// Its cluster's, from the configuration.
        var multiplier: String
        /// Both together, on the scale of the service; 0 for a pod that takes no traffic.
        var scaled: UInt32
        /// How many endpoints its cluster's weight is split over; nil where the pod is an endpoint of its own.
        var split: Int?
        /// In words.
        var derivation: String

        init(_ pod: ClusterShare.PodShare, in share: ClusterShare) {
            self.pod = pod.ownWeight.value
            multiplier = share.multiplier.description
            scaled = pod.weight
            split = share.split
            var words = "pod weight \(pod.ownWeight.value) x multiplier \(share.multiplier)"
            if pod.weight == 0 {
                words += ", but it gets nothing: \(pod.note ?? share.reason)"
            } else {
                words += ", \(pod.weight) on the service's scale"
            }
            if let split = share.split {
                words +=
                    "; its cluster's \(share.weight) is split over \(split) \(split == 1 ? "endpoint" : "endpoints")"
            }
            derivation = words
        }
    }

    var view: String
    var audience: String
    /// As `/v1/services` has it.
    var service: ServicePage
    var sources: [SourcePage]
    /// Nil where nothing of it is held.
    var held: [HoldPage]?
    /// By cluster and name.
    var pods: [Pod]

    init(
        _ status: Status, _ viewer: Viewer, _ service: ServiceStatus, _ origins: [ClusterName: [String: PodOrigin]]
    ) {
        view = viewer.cluster.rawValue
        audience = viewer.audience.rawValue
        let name = service.service.name
        self.service = ServicePage(
            service, observed: status.observed[viewer]?[name], holds: status.holds.filter { $0.service == name })
        sources = status.sources.map(SourcePage.init)
        let holds = status.holds.filter { $0.service == name }
        held = holds.isEmpty ? nil : holds.map(HoldPage.init)
        pods = service.assignment.shares.flatMap { share in
            let source = status.sources.first { $0.cluster == share.cluster }
            let hold = holds.first { $0.cluster == share.cluster }
            return share.pods.map { pod in
                // Before the source has delivered, what is served is what was known at an earlier start.
                let origin = source?.isSynced == true ? origins[share.cluster]?[pod.name] : nil
                return Pod(
                    cluster: share.cluster.rawValue, pod: pod.name, address: pod.address.description,
                    region: pod.locality.region, zone: pod.locality.zone, health: pod.health.rawValue,
                    source: source?.description, object: origin?.object,
                    version: origin?.version, line: origin?.line, confirmed: source?.confirmed,
                    stale: source?.staleReason, held: hold?.pods.contains(pod.name) == true ? hold?.reason : nil,
                    weight: Weight(pod, in: share))
            }
        }
    }
}
