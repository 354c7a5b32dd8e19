/// Where endpoints run, as in Envoy's `Locality`; endpoints of one locality share a weight.
public struct Locality: Hashable, Comparable, Sendable {
    /// A cloud region or the cluster's name, for example.
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

    /// Creates a locality.
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
