import EnvoyAPI
import GRPCTransport
import XDS

/// A resource as it is sent: encoded once, shared by every stream that is sent it.
final class ServedResource: Sendable {
    let name: ResourceName
    let version: ResourceVersion
    private let any: Slice
    private let sotwHeader: Slice
    private let deltaHeader: Slice

    init(_ resource: EncodedResource) {
        name = resource.name
        version = resource.version
        any = Slice(resource.any)
        sotwHeader = Slice(resource.sotwHeader)
        deltaHeader = Slice(resource.deltaHeader)
    }

    /// The resource as a part of a response.
    func slices(_ variant: Variant) -> [Slice] {
        switch variant {
        case .sotw: [sotwHeader, any]
        case .delta: [deltaHeader, any]
        }
    }
}
