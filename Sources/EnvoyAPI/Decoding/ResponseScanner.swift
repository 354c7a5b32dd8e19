public import XDS

/// What a client that only counts wants to know of a response; found without decoding it.
public struct ScannedResponse: Hashable, Sendable {
    /// One resource.
    public struct Resource: Hashable, Sendable {
        /// Its own name (SotW), or the one that it was sent under (delta).
        public var name: String
        /// Delta's version of it; empty in SotW.
        public var version = ""
        /// The weight of the endpoint, or of an assignment's first; nil where there is none.
        public var weight: UInt64?
        /// Where an assignment's endpoints are, if they are not in it (LEDS).
        public var collections: [String] = []
    }

    /// SotW's `version_info`, or delta's `system_version_info`.
    public private(set) var version = ""
    /// To be repeated in the answer.
    public private(set) var nonce = ""
    /// The type of all resources.
    public private(set) var type = ""
    /// In the order of the wire.
    public private(set) var resources: [Resource] = []
    /// Delta: names that don't exist, or no longer.
    public private(set) var removed: [String] = []

    /// Looks through the bytes of a response of a stream's variant; nil where they are none.
    public init?(scanning bytes: RawSpan, _ variant: Variant) {
        guard bytes.withUnsafeBytes({ read($0, variant) }) else { return nil }
    }

    private mutating func read(_ bytes: UnsafeRawBufferPointer, _ variant: Variant) -> Bool {
        var reader = WireReader(bytes)
        var found: [UnsafeRawBufferPointer] = []
        // discovery.proto: both variants number these alike.
        while let (field, value) = reader.next() {
            guard case .bytes(let content) = value else { continue }
            switch field {
            case 1: version = String(decoding: content, as: UTF8.self)
            case 2: found.append(content)
            case 4: type = String(decoding: content, as: UTF8.self)
            case 6 where variant == .delta: removed.append(String(decoding: content, as: UTF8.self))
            case 5: nonce = String(decoding: content, as: UTF8.self)
            default: break
            }
        }
        resources = found.map { variant == .sotw ? Resource(any: $0, type: type) : Resource(delta: $0, type: type) }
        return !reader.isBroken
    }
}

extension ScannedResponse {
    /// What a client's subscription has to know of it.
    public var summary: ResponseSummary {
        ResponseSummary(
            version: version, nonce: nonce,
            resources: resources.map { resource in
                ResponseSummary.Resource(name: ResourceName(rawValue: resource.name), version: resource.version)
            }, removed: removed.map(ResourceName.init(rawValue:)))
    }
}

extension ScannedResponse.Resource {
    /// A `Resource` of delta.
    fileprivate init(delta bytes: UnsafeRawBufferPointer, type: String) {
        var (name, version) = ("", "")
        var any: UnsafeRawBufferPointer?
        var reader = WireReader(bytes)
        while let (field, value) = reader.next() {
            guard case .bytes(let content) = value else { continue }
            switch field {
            case 1: version = String(decoding: content, as: UTF8.self)
            case 2: any = content
            case 3: name = String(decoding: content, as: UTF8.self)
            default: break
            }
        }
        self.init(any: any ?? UnsafeRawBufferPointer(start: nil, count: 0), type: type)
        self.name = name
        self.version = version
    }

    /// An `Any`.
    fileprivate init(any bytes: UnsafeRawBufferPointer, type: String) {
        self.init(name: "")
        guard let content = first(2, in: bytes) else { return }
        guard type != TypeURL.endpoint.rawValue else {
            weight = endpointWeight(content)
            return
        }
        // Every type's name is its first field.
        name = first(1, in: content).map { String(decoding: $0, as: UTF8.self) } ?? ""
        guard type == TypeURL.clusterLoadAssignment.rawValue else { return }
        var reader = WireReader(content)
        while let (field, value) = reader.next() {
            guard field == 2, case .bytes(let locality) = value else { continue }
            weight = weight ?? first(2, in: locality).flatMap(endpointWeight)
            // LEDS: leds_cluster_locality_config.leds_collection_name
            if let collection = first(8, in: locality).flatMap({ first(2, in: $0) }) {
                collections.append(String(decoding: collection, as: UTF8.self))
            }
        }
    }
}

/// An `LbEndpoint`'s `load_balancing_weight`.
private func endpointWeight(_ endpoint: UnsafeRawBufferPointer) -> UInt64? {
    guard let weight = first(4, in: endpoint) else { return nil }
    var reader = WireReader(weight)
    guard let (field, value) = reader.next(), field == 1, case .number(let number) = value else { return nil }
    return number
}

/// The first occurrence of a field that is a message, a string or bytes.
private func first(_ number: UInt64, in bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    var reader = WireReader(bytes)
    while let (field, value) = reader.next() {
        if field == number, case .bytes(let content) = value { return content }
    }
    return nil
}
