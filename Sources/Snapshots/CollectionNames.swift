import Balancing
import Model
import XDS
import XXHash

// The names of what LEDS serves: `xdstp://ballast/<type>/<service>/<priority>/<locality>/<endpoint>`, and of all of a
// locality's endpoints, with `*` in the end.

extension ResourceName {
    /// All endpoints that a service has in a locality.
    init(collectionOf service: ServiceName, _ entry: Assignment.LocalityEndpoints) {
        self.init(rawValue: Self.prefix(service, entry) + "*")
    }

    /// One of them.
    init(_ address: Assignment.Endpoint.Address, of service: ServiceName, _ entry: Assignment.LocalityEndpoints) {
        self.init(rawValue: Self.prefix(service, entry) + Self.component([address.description]))
    }

    private static func prefix(_ service: ServiceName, _ entry: Assignment.LocalityEndpoints) -> String {
        let place = component([entry.locality.region, entry.locality.zone, entry.locality.subZone])
        let type = "envoy.config.endpoint.v3.LbEndpoint"
        return "xdstp://ballast/\(type)/\(component([service.rawValue]))/\(entry.priority)/\(place)/"
    }

    /// A part of a path, unique for those texts.
    ///
    /// Envoy escapes such a name in its own way and compares what comes out; what needs no escape stays the same.
    private static func component(_ texts: [String]) -> String {
        let text = texts.joined(separator: ".")
        let slug = String(text.map { $0.isASCII && ($0.isLetter || $0.isNumber || "-._".contains($0)) ? $0 : "_" })
        let isPlain = slug == text && !texts.contains { $0.contains(".") && texts.count > 1 }
        return isPlain ? slug : "\(slug)-\(String(xxHash64(texts.joined(separator: "\0")), radix: 36))"
    }
}
