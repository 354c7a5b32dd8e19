/// Where endpoints run, as Envoy's `Locality` says it; endpoints with equal localities share one weight.
public struct Locality: Hashable, Comparable, Sendable {
    /// For example a cloud region, or the cluster's name.
    ///
    /// May be empty.
    public var region: String
    /// A part of the region.
    ///
    /// May be empty.
    public var zone: String
    /// A part of the zone.
    ///
    /// May be empty.
    public var subZone: String

    /// A locality; what isn't given is empty.
    public init(region: String = "", zone: String = "", subZone: String = "") {
        self.region = region
        self.zone = zone
        self.subZone = subZone
    }

    /// Orders by region, zone and sub-zone.
    public static func < (left: Locality, right: Locality) -> Bool {
        (left.region, left.zone, left.subZone) < (right.region, right.zone, right.subZone)
    }
}
