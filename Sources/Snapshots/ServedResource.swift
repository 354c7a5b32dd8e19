public import EnvoyAPI
public import GRPCTransport
import Synchronization
public import XDS

/// An encoded resource, shared by all streams that send it.
public final class ServedResource: Sendable {
    /// Its name.
    public let name: ResourceName
    /// A hash of the content.
    public let version: ResourceVersion
    /// The LEDS collections of its endpoints; empty if the endpoints are inline.
    public let collections: [ResourceName]
    private let encoded: EncodedResource
    private let slices = Mutex<(sotw: Slice?, delta: Slice?)>((nil, nil))

    /// Creates a served resource.
    public init(_ resource: EncodedResource, collections: [ResourceName] = []) {
        encoded = resource
        name = resource.name
        version = resource.version
        self.collections = collections
    }

    /// The resource as JSON.
    public var json: String {
        get throws(DecodingFailure) { try ResourceJSON.text(of: encoded.any) }
    }

    /// The bytes of the resource in a delta response.
    var deltaParts: [[UInt8]] { [encoded.deltaHeader, encoded.any] }

    /// The resource as a part of a response; created on first use.
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
