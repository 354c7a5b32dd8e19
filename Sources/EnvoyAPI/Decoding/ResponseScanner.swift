public import XDS

/// The parts of a response that a load-testing client needs, extracted without decoding it.
public struct ScannedResponse: Hashable, Sendable {
    /// One resource.
    public struct Resource: Hashable, Sendable {
        /// The resource name in delta; the name inside the resource in SotW.
        public var name: String
        /// The resource version in delta; empty in SotW.
        public var version = ""
        /// The weight of the endpoint, or of an assignment's first endpoint; nil if there is none.
        public var weight: UInt64?
        /// The names of the collections that an assignment's endpoints are in (LEDS); empty if it contains them itself.
        public var collections: [String] = []
    }

    /// SotW's `version_info`, or delta's `system_version_info`.
    public private(set) var version = ""
    /// The nonce, which the client repeats in its next request.
    public private(set) var nonce = ""
    /// The type URL of all resources.
    public private(set) var type = ""
    /// The resources, in the order of the message.
    public private(set) var resources: [Resource] = []
    /// Delta: names that don't exist, or no longer.
    public private(set) var removed: [String] = []

    /// Scans the bytes of a response of the given variant; nil if they are malformed.
    public init?(scanning bytes: RawSpan, _ variant: Variant) {
        guard bytes.withUnsafeBytes({ read($0, variant) }) else { return nil }
    }

    private mutating func read(_ bytes: UnsafeRawBufferPointer, _ variant: Variant) -> Bool {
        var reader = WireReader(bytes)
        var found: [UnsafeRawBufferPointer] = []
        // Field numbers from discovery.proto, the same in both variants.
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
    /// Reads a delta `Resource`.
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

    /// Reads an `Any`.
    fileprivate init(any bytes: UnsafeRawBufferPointer, type: String) {
        self.init(name: "")
        guard let content = first(2, in: bytes) else { return }
        guard type != TypeURL.endpoint.rawValue else {
            weight = endpointWeight(content)
            return
        }
        // The first field of every type is its name.
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

/// The first occurrence of a length-delimited field (a message, string or bytes).
private func first(_ number: UInt64, in bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    var reader = WireReader(bytes)
    while let (field, value) = reader.next() {
        if field == number, case .bytes(let content) = value { return content }
    }
    return nil
}
