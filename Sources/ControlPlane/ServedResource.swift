import EnvoyAPI
import GRPCTransport
import Synchronization
import XDS

/// A resource as it is sent: encoded once, shared by every stream that is sent it.
final class ServedResource: Sendable {
    let name: ResourceName
    let version: ResourceVersion
    /// Where its endpoints are, if they are not in it.
    let collections: [ResourceName]
    private let encoded: EncodedResource
    private let slices = Mutex<(sotw: Slice?, delta: Slice?)>((nil, nil))

    init(_ resource: EncodedResource, collections: [ResourceName] = []) {
        encoded = resource
        name = resource.name
        version = resource.version
        self.collections = collections
    }

    /// What makes a part of a delta response of it.
    var deltaParts: [[UInt8]] { [encoded.deltaHeader, encoded.any] }

    /// The resource as a part of a response; made when the first stream needs it.
    func slice(_ variant: Variant) -> Slice {
        slices.withLock { slices in
            switch variant {
            case .sotw:
                let slice = slices.sotw ?? Slice(parts: [encoded.sotwHeader, encoded.any])
                slices.sotw = slice
                return slice
            case .delta:
                let slice = slices.delta ?? Slice(parts: deltaParts)
                slices.delta = slice
                return slice
            }
        }
    }
}
