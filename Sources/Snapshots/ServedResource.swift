public import EnvoyAPI
public import GRPCTransport
import Synchronization
public import XDS

/// A resource as it is sent: encoded once, shared by every stream that is sent it.
public final class ServedResource: Sendable {
    /// Its name.
    public let name: ResourceName
    /// A hash of its content.
    public let version: ResourceVersion
    /// Where its endpoints are, if they are not in it.
    public let collections: [ResourceName]
    private let encoded: EncodedResource
    private let slices = Mutex<(sotw: Slice?, delta: Slice?)>((nil, nil))

    /// A resource that was encoded.
    public init(_ resource: EncodedResource, collections: [ResourceName] = []) {
        encoded = resource
        name = resource.name
        version = resource.version
        self.collections = collections
    }

    /// What makes a part of a delta response of it.
    var deltaParts: [[UInt8]] { [encoded.deltaHeader, encoded.any] }

    /// The resource as a part of a response; made when the first stream needs it.
    public func slice(_ variant: Variant) -> Slice {
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
