import XXHash

/// A hash of content: equal on every replica and after a restart, so that a returning client's version can be compared.
public struct ResourceVersion: Hashable, Sendable, CustomStringConvertible {
    /// The 64-bit hash.
    public let hash: UInt64

    /// The version with this hash.
    public init(hash: UInt64) { self.hash = hash }

    /// The version of a resource with this content.
    public init(of content: [UInt8]) { hash = xxHash64(content) }

    /// Parses `description`; nil for any other text, such as another server's version.
    public init?(_ text: String) {
        guard text.utf8.count == 16, let hash = UInt64(text, radix: 16) else { return nil }
        self.hash = hash
    }

    /// The version that a client claims to hold; if it isn't ours, one that matches nothing.
    init(held text: String) { self = ResourceVersion(text) ?? ResourceVersion(hash: 0) }

    /// 16 hexadecimal digits.
    public var description: String {
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

/// The version of a set of resources in any order, updated one resource at a time.
///
/// SotW has one `version_info` for a whole subscription. The sum of well-mixed hashes is a hash of the set.
/// A resource's content contains its name, so the version covers both.
public struct SetVersion: Hashable, Sendable {
    private var sum: UInt64 = 0

    /// The version of the empty set.
    public init() {}

    /// Adds a resource of this version.
    public mutating func insert(_ version: ResourceVersion) { sum &+= Self.mix(version.hash) }
    /// Removes a resource of this version.
    public mutating func remove(_ version: ResourceVersion) { sum &-= Self.mix(version.hash) }

    /// The version of the union of two sets without a common resource.
    func union(_ other: SetVersion) -> SetVersion {
        var union = self
        union.sum &+= other.sum
        return union
    }

    /// The version of the whole set.
    public var version: ResourceVersion { ResourceVersion(hash: Self.mix(sum)) }

    /// SplitMix64's finaliser: a bijection that spreads every bit.
    private static func mix(_ value: UInt64) -> UInt64 {
        var value = value &+ 0x9e37_79b9_7f4a_7c15
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }
}
