import CEnvoyAPI

/// A client's Envoy version, which determines what it can be sent.
public struct EnvoyVersion: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The major version; 1 so far.
    public var major: Int
    /// The minor version, released every quarter.
    public var minor: Int
    /// The patch version.
    public var patch: Int

    /// Creates a version.
    public init(_ major: Int, _ minor: Int, _ patch: Int) {
        (self.major, self.minor, self.patch) = (major, minor, patch)
    }

    /// For example `1.40.0`.
    public var description: String { "\(major).\(minor).\(patch)" }

    /// Orders from oldest to newest.
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
    /// The first version that keeps all clusters requested on demand.
    ///
    /// Older ones drop all but the first (measured; envoy#46561).
    public static let firstWithOnDemandClusters = EnvoyVersion(1, 40, 0)
    /// The first version with filter state that keeps tunnels to different pods apart (`envoy.hashable_string`; measured).
    public static let firstWithTunnels = EnvoyVersion(1, 38, 0)
    /// The first version that survives LEDS.
    ///
    /// Older ones crash with a segmentation fault after a few changes to collections (measured; envoy#43667).
    public static let firstWithStableCollections = EnvoyVersion(1, 38, 2)
}
