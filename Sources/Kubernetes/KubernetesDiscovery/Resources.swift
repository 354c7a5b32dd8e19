import KubernetesClient

extension Resource {
    static func endpointSlices(in namespace: String?) -> Resource {
        Resource(
            group: "discovery.k8s.io", version: "v1", plural: "endpointslices", namespace: namespace,
            labelSelector: "kubernetes.io/service-name")
    }

    static func services(in namespace: String?, labelSelector: String) -> Resource {
        Resource(group: "", version: "v1", plural: "services", namespace: namespace, labelSelector: labelSelector)
    }

    /// The pods into which Istio has injected a sidecar.
    static func sidecars(in namespace: String?) -> Resource {
        var resource = Resource(
            group: "", version: "v1", plural: "pods", namespace: namespace,
            labelSelector: "security.istio.io/tlsMode=istio")
        resource.isMetadataOnly = true
        return resource
    }

    static let nodes = Resource(group: "", version: "v1", plural: "nodes")
}
