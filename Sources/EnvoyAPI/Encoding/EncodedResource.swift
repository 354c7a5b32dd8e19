public import XDS

/// An encoded resource whose bytes SotW and delta responses share; each puts a short header of its own before them.
///
/// The bytes are an `Any`. `sotwHeader` and the bytes together are a `resources` field of a DiscoveryResponse;
/// `deltaHeader` and the bytes are one of a DeltaDiscoveryResponse. The `Any` can be the last field of its `Resource`,
/// because protobuf accepts fields in any order.
public struct EncodedResource: Hashable, Sendable {
    /// The resource name.
    public let name: ResourceName
    /// The hash of the encoded resource.
    public let version: ResourceVersion
    /// The type URL and the encoded resource, as an `Any`.
    public let any: [UInt8]

    init(name: ResourceName, type: TypeURL, content: [UInt8]) {
        self.name = name
        version = ResourceVersion(of: content)
        var writer = WireWriter()
        writer.string(AnyField.typeURL, type.rawValue)
        writer.message(AnyField.value, content)
        any = writer.bytes
    }

    /// The bytes before `any` in a DiscoveryResponse.
    public var sotwHeader: [UInt8] {
        var writer = WireWriter()
        writer.message(ResponseField.resources, byteCount: any.count)
        return writer.bytes
    }

    /// The bytes before `any` in a DeltaDiscoveryResponse.
    public var deltaHeader: [UInt8] {
        var inner = WireWriter()
        inner.string(ResourceField.name, name.rawValue)
        inner.string(ResourceField.version, version.description)
        inner.message(ResourceField.resource, byteCount: any.count)
        var writer = WireWriter()
        writer.message(ResponseField.resources, byteCount: inner.bytes.count + any.count)
        return writer.bytes + inner.bytes
    }
}

extension DiscoveryResponse {
    /// Encodes everything of a response except its resources; this part is specific to the stream.
    public func encodedTrailer(type: TypeURL, controlPlane: String) -> [UInt8] {
        var writer = WireWriter()
        writer.string(ResponseField.typeURL, type.rawValue)
        var identifier = WireWriter()
        identifier.string(ControlPlaneField.identifier, controlPlane)
        switch self {
        case .sotw(let response):
            writer.string(ResponseField.version, response.version.description)
            writer.string(ResponseField.nonce, response.nonce.description)
            writer.message(ResponseField.sotwControlPlane, identifier.bytes)
            for name in response.missing { writer.message(ResponseField.resourceErrors, absence(of: name)) }
        case .delta(let response):
            writer.string(ResponseField.version, response.version.description)
            writer.string(ResponseField.nonce, response.nonce.description)
            for name in response.removed { writer.string(ResponseField.removed, name.rawValue) }
            writer.message(ResponseField.deltaControlPlane, identifier.bytes)
        }
        return writer.bytes
    }
}

/// Encodes a `ResourceError`.
private func absence(of name: ResourceName) -> [UInt8] {
    var resourceName = WireWriter()
    resourceName.string(ResourceNameField.name, name.rawValue)
    var status = WireWriter()
    status.number(StatusField.code, StatusField.notFound)
    status.string(StatusField.message, "there is no such resource")
    var error = WireWriter()
    error.message(ResourceErrorField.resourceName, resourceName.bytes)
    error.message(ResourceErrorField.detail, status.bytes)
    return error.bytes
}

// Field numbers, from proto/, of the messages written by hand. The codec tests decode them with protobuf-c.

private enum AnyField {
    static let typeURL: UInt8 = 1
    static let value: UInt8 = 2
}

private enum ResourceField {
    static let version: UInt8 = 1
    static let resource: UInt8 = 2
    static let name: UInt8 = 3
}

private enum ControlPlaneField {
    static let identifier: UInt8 = 1
}

private enum ResourceErrorField {
    static let resourceName: UInt8 = 1
    static let detail: UInt8 = 2
}

private enum ResourceNameField {
    static let name: UInt8 = 1
}

private enum StatusField {
    static let code: UInt8 = 1
    static let message: UInt8 = 2
    /// gRPC's code for it.
    static let notFound: UInt64 = 5
}

/// The field numbers of both responses, which are the same except for the control plane.
private enum ResponseField {
    static let version: UInt8 = 1
    static let resources: UInt8 = 2
    static let typeURL: UInt8 = 4
    static let nonce: UInt8 = 5
    static let removed: UInt8 = 6
    static let sotwControlPlane: UInt8 = 6
    static let resourceErrors: UInt8 = 7
    static let deltaControlPlane: UInt8 = 7
}
