/// A template for the authorities of HTTP CONNECT requests that lead to one pod each: the host name of a Service that has
/// only this pod, made from text with `{pod}`, `{service}`, `{namespace}` and `{cluster}`.
public struct AuthorityTemplate: Hashable, Sendable, CustomStringConvertible {
    /// The template as written in the configuration.
    public let description: String

    /// The default: a Service with the pod's name, in the pod's namespace.
    public static let standard = AuthorityTemplate(unchecked: "{pod}.{namespace}.svc.cluster.local")

    private init(unchecked text: String) { description = text }

    /// Parses and validates a template.
    public init(_ text: String) throws(SNITemplate.Problem) {
        description = text
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        guard labels.contains(where: { $0.contains("{pod}") && !$0.replacing("{pod}", with: "").contains("{") }) else {
            throw SNITemplate.Problem(
                description:
                    "needs {pod} between points, with fixed text beside it at most: each pod has a host of its own")
        }
        guard labels.contains("{service}") || labels.contains("{namespace}") else {
            throw SNITemplate.Problem(
                description: "needs {namespace} or {service} between points: pods of two namespaces may have one name")
        }
        var sample = text
        for name in ["{pod}", "{service}", "{namespace}", "{cluster}"] { sample = sample.replacing(name, with: "1") }
        guard !sample.contains("{"), !sample.contains("}") else {
            throw SNITemplate.Problem(
                description: "has a placeholder other than {pod}, {service}, {namespace}, {cluster}")
        }
        guard DNSName(sample) != nil else {
            throw SNITemplate.Problem(
                description: "doesn't make host names: labels of letters, digits, `-` and `_`, 63 bytes at most")
        }
    }

    /// The authorities of a service's pods, such as `w1.httpbin.svc.cluster.local:8000`, by pod name; and why pods are
    /// missing, as a sentence.
    ///
    /// A service whose name has a dot is NAME.NAMESPACE, as Services that are exported by label; the namespace of others
    /// has their name. The port is the service's, or the pod's if the service has none. A pod's own SNI replaces the host.
    public func authorities(
        of pods: [Pod], of service: Service, in cluster: ClusterName
    ) -> (authorities: [String: String], problem: String?) {
        let parts = service.name.rawValue.split(separator: ".", maxSplits: 1)
        let filled = description.replacing("{service}", with: parts.first ?? "")
            .replacing("{namespace}", with: parts.last ?? "").replacing("{cluster}", with: cluster.rawValue)
        var authorities: [String: String] = [:]
        authorities.reserveCapacity(pods.count)
        var owners: [String: String] = [:]
        var problem: String?
        for pod in pods {
            let made = DNSName.isLabel(pod.name[...]) ? DNSName(filled.replacing("{pod}", with: pod.name)) : nil
            guard let host = pod.sni ?? made else {
                problem = problem ?? "pod \(pod.name) is left out: its name can't be a part of a host name"
                continue
            }
            let authority = "\(host):\(service.port ?? pod.address.port)"
            if let owner = owners.updateValue(pod.name, forKey: authority) {
                owners[authority] = owner
                problem =
                    problem ?? "pod \(pod.name) is left out: it would have the authority of \(owner), \(authority)"
                continue
            }
            authorities[pod.name] = authority
        }
        return (authorities, problem)
    }
}
