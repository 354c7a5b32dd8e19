import Balancing
import Model
import XDS
import XXHash

// The names of LEDS resources: `xdstp://ballast/<type>/<service>/<priority>/<locality>/<endpoint>`; in the name of a
// locality's collection, `*` replaces the endpoint.

extension ResourceName {
    /// The name of the collection of a service's endpoints in one locality.
    init(collectionOf service: ServiceName, _ entry: Assignment.LocalityEndpoints) {
        self.init(rawValue: Self.prefix(service, entry) + "*")
    }

    /// The name of one endpoint in that collection.
    init(_ address: Assignment.Endpoint.Address, of service: ServiceName, _ entry: Assignment.LocalityEndpoints) {
        self.init(rawValue: Self.prefix(service, entry) + Self.component([address.description]))
    }

    private static func prefix(_ service: ServiceName, _ entry: Assignment.LocalityEndpoints) -> String {
        let place = component([entry.locality.region, entry.locality.zone, entry.locality.subZone])
        let type = "envoy.config.endpoint.v3.LbEndpoint"
        return "xdstp://ballast/\(type)/\(component([service.rawValue]))/\(entry.priority)/\(place)/"
    }

    /// A path component that is unique for these texts.
    ///
    /// Envoy escapes names in its own way and compares the results, so the component uses only characters that need no
    /// escape.
    private static func component(_ texts: [String]) -> String {
        let text = texts.joined(separator: ".")
        let slug = String(text.map { $0.isASCII && ($0.isLetter || $0.isNumber || "-._".contains($0)) ? $0 : "_" })
        let isPlain = slug == text && !texts.contains { $0.contains(".") && texts.count > 1 }
        return isPlain ? slug : "\(slug)-\(String(xxHash64(texts.joined(separator: "\0")), radix: 36))"
    }
}
