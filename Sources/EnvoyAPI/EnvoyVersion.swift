import CEnvoyAPI

/// Which Envoy a client is; what it can be sent depends on that.
public struct EnvoyVersion: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// 1, so far.
    public var major: Int
    /// One for each quarter of a year.
    public var minor: Int
    /// The patch release.
    public var patch: Int

    /// A version.
    public init(_ major: Int, _ minor: Int, _ patch: Int) {
        (self.major, self.minor, self.patch) = (major, minor, patch)
    }

    /// Such as `1.40.0`.
    public var description: String { "\(major).\(minor).\(patch)" }

    /// Older comes first.
    public static func < (left: EnvoyVersion, right: EnvoyVersion) -> Bool {
        (left.major, left.minor, left.patch) < (right.major, right.minor, right.patch)
    }

    init(_ message: Envoy__Type__V3__SemanticVersion) {
        self.init(Int(message.major_number), Int(message.minor_number), Int(message.patch))
    }

    func message(in arena: Arena) -> UnsafeMutablePointer<Envoy__Type__V3__SemanticVersion> {
        arena.make(envoy__type__v3__semantic_version__init) { message in
            message.major_number = UInt32(clamping: major)
            message.minor_number = UInt32(clamping: minor)
            message.patch = UInt32(clamping: patch)
        }
    }
}

extension EnvoyVersion {
    /// Older ones drop every cluster after the first that they ask for on demand (measured; envoy#46561).
    public static let takesClustersOnDemand = EnvoyVersion(1, 40, 0)
    /// Older ones end with a segmentation fault within a few changes of collections (measured; envoy#43667).
    public static let survivesCollections = EnvoyVersion(1, 38, 2)
}
