import Foundation
import Intent
import Model
import YAMLFile

extension ServiceIntent {
    /// Reads an entry of `services`.
    ///
    /// - Parameter client: the `envoy` settings for all services.
    init(
        _ name: ServiceName, _ entry: YAMLReader, clusters: Set<ClusterName>, client: ClientSettings
    ) throws(ConfigurationError) {
        let fields = try entry.mapping("resources", "balance", "weights", "shares", "sni", "port", "metadata", "envoy")
        var service = Service(name: name)
        service.balance = try fields["balance"]?.choice(Service.Balance.self) ?? .global
        for (key, multiplier) in try fields["weights"]?.entries() ?? [] {
            let cluster = ClusterName(rawValue: key)
            guard clusters.contains(cluster) else { throw multiplier.error("`clusters` has no cluster of this name") }
            service.weights[cluster] = try multiplier.value(
                "should be a number from 0 to 1000000, with at most six places after the point", Ratio.init(_:)
            )
        }
        let weights = service.weights
        if let field = fields["weights"], clusters.allSatisfy({ weights[$0]?.numerator == 0 }) {
            throw field.error("every cluster is taken out (0), so that all requests would fail: leave one above 0")
        }
        if let field = fields["shares"] { service.shares = try field.shares(of: service, clusters) }
        service.sni = try fields["sni"]?.value("should be a host name, at most 253 bytes", DNSName.init(_:))
        if let port = fields["port"] { service.port = UInt16(try port.integer(in: 1...65_535)) }
        if let metadata = fields["metadata"] { service.metadata = try metadata.endpointMetadata() }
        service.client = client
        if let settings = fields["envoy"] { service.client = try ClientSettings(settings, template: client) }
        self.init(service: service, resources: try entry.resources(fields["resources"], of: name))
    }
}

extension ServiceTemplate {
    /// Reads the entry `*` of `services`.
    init(_ entry: YAMLReader, clusters: Set<ClusterName>, client: ClientSettings) throws(ConfigurationError) {
        let served = try ServiceIntent("{service}", entry, clusters: clusters, client: client)
        guard served.service.sni == nil else {
            throw entry.error("`sni` is one service's own, and `*` stands for many")
        }
        if let resource = served.resources.first(where: { !$0.contains("{service}") }) {
            throw entry.error("the resource \(resource) would be every service's: put {service} into it")
        }
        self.init(resources: served.resources, service: served.service)
    }
}

extension YAMLReader {
    /// The shares of clusters, in millionths.
    fileprivate func shares(
        of service: Service, _ clusters: Set<ClusterName>
    ) throws(ConfigurationError) -> [ClusterName: UInt64] {
        var shares: [ClusterName: UInt64] = [:]
        for (key, share) in try entries() {
            let cluster = ClusterName(rawValue: key)
            guard clusters.contains(cluster) else { throw share.error("`clusters` has no cluster of this name") }
            guard service.weights[cluster] == nil else {
                throw share.error("`weights` has the cluster as well: leave one of them out")
            }
            // With a type of its own: an optional value would take a nil of the closure for a value.
            let millionths: UInt64 = try share.value("should be a percentage from 0% to 100%, with up to two decimals")
            {
                text in
                guard text.hasSuffix("%"), let percent = Ratio(text.dropLast().trimmingCharacters(in: .whitespaces)),
                    percent.value <= 100
                else { return nil }
                let hundredths = (percent.value * 100).rounded()
                return abs(hundredths - percent.value * 100) < 1e-6 ? UInt64(hundredths) * 100 : nil
            }
            shares[cluster] = millionths
        }
        let sum = shares.values.reduce(0, +)
        guard sum <= 1_000_000 else { throw error("add up to \(Double(sum) / 10_000)%, which is more than 100%") }
        guard sum > 0 || shares.count < clusters.count else {
            throw error("every cluster has 0%, so that all requests would fail: leave one above 0%")
        }
        guard service.balance == .global else {
            throw error("need `balance: global`: with `local-first` the own cluster has all traffic")
        }
        return shares
    }

    fileprivate func resources(_ field: YAMLReader?, of name: ServiceName) throws(ConfigurationError) -> [String] {
        guard let field else { return [name.rawValue] }
        var resources: [String] = []
        for resource in try field.list() { resources.append(try resource.text()) }
        guard !resources.isEmpty else {
            throw error(
                "`resources` is empty: name at least one EDS resource, or leave it out to use the service's name")
        }
        guard Set(resources).count == resources.count else { throw error("`resources` names a resource twice") }
        return resources
    }

    /// Where the weights of a service entry are written, by cluster.
    func weightOrigins() throws(ConfigurationError) -> [ClusterName: FieldOrigin] {
        var origins: [ClusterName: FieldOrigin] = [:]
        for (field, weights) in try entries() where field == "weights" {
            for (cluster, weight) in try weights.entries() {
                origins[ClusterName(rawValue: cluster)] = weight.line.map { FieldOrigin(file: file, line: $0) }
            }
        }
        return origins
    }
}
